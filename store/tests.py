"""Test results: how each test of a stage ended, in every attempt, and what that says of the next time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select, tuple_
from sqlalchemy.orm import Session

from pipeline.judge import Judged, Key, Past
from pipeline.junit import Case, Verdict
from pipeline.push import HEADS
from store.schema import ProjectRow, RunRow, TestResultRow

BAD = (Verdict.FAILED, Verdict.ERROR)
GOOD = (Verdict.PASSED,)
# So many failing tests are compared one by one; where more fail, each one's past is not the question.
MOST_COMPARED = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """The attempt of a stage that tests ran in; `image` is the digest of what they ran in."""

    project_id: int
    run_id: int
    stage_id: int
    stage: str
    attempt: int
    image: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One test as it is shown; a failing one that is not `new` was known to fail. `shard` is 0 where there is one."""

    stage: str
    suite: str
    name: str
    state: str
    seconds: float
    message: str
    flaky: bool
    new: bool
    attempt: int
    shard: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """How one test ended in one attempt of one run."""

    run_id: int
    ref: str
    revision: str
    attempt: int
    state: str
    seconds: float
    flaky: bool
    at: datetime


def of_run(session: Session, run_id: int) -> tuple[Result, ...]:
    """Return the tests of a run's last attempts, stage by stage: what failed first, of that what is new first."""
    last = (
        select(TestResultRow.stage_id, func.max(TestResultRow.attempt))
        .where(TestResultRow.run_id == run_id)
        .group_by(TestResultRow.stage_id)
    )
    these = tuple_(TestResultRow.stage_id, TestResultRow.attempt).in_(last)
    rows = session.scalars(select(TestResultRow).where(TestResultRow.run_id == run_id, these))
    ordered = sorted(rows, key=lambda row: (row.state not in BAD, not row.new, row.stage_id, row.id))
    return tuple(_result(row) for row in ordered)


def history(
    session: Session, project_id: int, *, stage: str, suite: str, name: str, limit: int = 50
) -> tuple[Occasion, ...]:
    """Return how one test ended each time, the last time first."""
    mine = (TestResultRow.suite == suite) & (TestResultRow.name == name)
    query = select(TestResultRow, RunRow).join(RunRow, RunRow.id == TestResultRow.run_id)
    query = query.where(TestResultRow.project_id == project_id, TestResultRow.stage == stage, mine)
    return tuple(
        _occasion(row, run) for row, run in session.execute(query.order_by(TestResultRow.id.desc()).limit(limit))
    )


def past(session: Session, where: Where, cases: Iterable[Case]) -> Past:
    """Return what is known of a stage's tests from before this attempt."""
    bad = [case.key for case in cases if case.state.bad][:MOST_COMPARED]
    runs = _compared(session, where)
    return Past(
        since=runs[0] if runs else None,
        failed=frozenset().union(*(_keys(session, _in_run(where, run), BAD) for run in runs)),
        failed_here=_keys(session, _in_image(where), BAD),
        passed_here=_keys(session, _in_image(where) & _named(bad), GOOD) if bad else frozenset(),
    )


def record(session: Session, where: Where, judged: Sequence[Judged], *, shard: int = 0) -> None:
    """Keep how the tests of an attempt ended, in place of what was kept of it before."""
    mine = (TestResultRow.stage_id == where.stage_id) & (TestResultRow.attempt == where.attempt)
    session.execute(delete(TestResultRow).where(mine, TestResultRow.shard == shard))
    if judged:
        session.execute(insert(TestResultRow), [_values(where, one, shard) for one in judged])


def _compared(session: Session, where: Where) -> tuple[int, ...]:
    """Return the last run before this one of its own ref, and of the default branch, that had results of this stage."""
    ref = session.scalar(select(RunRow.ref).where(RunRow.id == where.run_id))
    branch = session.scalar(select(ProjectRow.default_branch).where(ProjectRow.id == where.project_id))
    found = (_last(session, where, ref) for ref in dict.fromkeys((ref, f"{HEADS}{branch}")) if ref)
    return tuple(run for run in found if run is not None)


def _last(session: Session, where: Where, ref: str) -> int | None:
    has = (TestResultRow.run_id == RunRow.id) & (TestResultRow.stage == where.stage)
    mine = (RunRow.project_id == where.project_id) & (RunRow.ref == ref) & (RunRow.id < where.run_id)
    query = select(RunRow.id).where(mine, select(TestResultRow.id).where(has).exists())
    return session.scalar(query.order_by(RunRow.id.desc()).limit(1))


def _in_run(where: Where, run: int) -> ColumnElement[bool]:
    """The last attempt of this stage in a run."""
    mine = (TestResultRow.run_id == run) & (TestResultRow.stage == where.stage)
    last = select(func.max(TestResultRow.attempt)).where(mine).scalar_subquery()
    return mine & (TestResultRow.attempt == last)


def _in_image(where: Where) -> ColumnElement[bool]:
    """Every other attempt of this stage on the same commit and in the same image.

    The image alone does not tell: what stands beside it, or what it is run against, is another with each commit.
    """
    same = (TestResultRow.project_id == where.project_id) & (TestResultRow.stage == where.stage)
    this = (TestResultRow.stage_id == where.stage_id) & (TestResultRow.attempt == where.attempt)
    commit = select(RunRow.revision).where(RunRow.id == where.run_id).scalar_subquery()
    runs = select(RunRow.id).where(RunRow.project_id == where.project_id, RunRow.revision == commit)
    return same & (TestResultRow.image == where.image) & TestResultRow.run_id.in_(runs) & ~this


def _named(keys: Sequence[Key]) -> ColumnElement[bool]:
    return tuple_(TestResultRow.suite, TestResultRow.name).in_(keys)


def _keys(session: Session, these: ColumnElement[bool], states: Iterable[Verdict]) -> frozenset[Key]:
    query = select(TestResultRow.suite, TestResultRow.name).where(these, TestResultRow.state.in_(tuple(states)))
    return frozenset((suite, name) for suite, name in session.execute(query.distinct()))


def _values(where: Where, one: Judged, shard: int) -> dict[str, object]:
    case = one.case
    return {
        "project_id": where.project_id,
        "run_id": where.run_id,
        "stage_id": where.stage_id,
        "stage": where.stage,
        "attempt": where.attempt,
        "image": where.image,
        "shard": shard,
        "suite": case.suite,
        "name": case.name,
        "state": case.state,
        "seconds": case.seconds,
        "message": case.message,
        "flaky": one.flaky,
        "new": one.new,
    }


def _result(row: TestResultRow) -> Result:
    return Result(
        stage=row.stage,
        suite=row.suite,
        name=row.name,
        state=row.state,
        seconds=row.seconds,
        message=row.message,
        flaky=row.flaky,
        new=row.new,
        attempt=row.attempt,
        shard=row.shard,
    )


def _occasion(row: TestResultRow, run: RunRow) -> Occasion:
    return Occasion(
        run_id=row.run_id,
        ref=run.ref,
        revision=run.revision,
        attempt=row.attempt,
        state=row.state,
        seconds=row.seconds,
        flaky=row.flaky,
        at=run.created_at,
    )
