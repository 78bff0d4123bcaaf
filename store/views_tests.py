"""Tests as people and programs read them: those of one run, what becomes of each over many runs, and one's history."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, case, cast, false, func, or_, select, true, tuple_
from sqlalchemy.orm import Session

from pipeline.junit import Verdict
from pipeline.push import Push
from store.links import Links
from store.schema import ProjectRow, RunRow, TestResultRow
from store.views import View, when

BAD = (Verdict.FAILED.value, Verdict.ERROR.value)
# What is said of a test over many runs is said of so many of the newest.
RUNS = 50
OCCASIONS = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Which part of a list in a fixed order is wanted."""

    limit: int = 1_000
    offset: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class TestFilter:
    """Which tests are wanted; `flaky`: in any of the newest runs, `failing`: the last time."""

    __test__ = False

    project: str | None = None
    name: str | None = None
    flaky: bool = False
    failing: bool = False


WHOLE = Part()


def of_run(session: Session, links: Links, run_id: int, *, state: str | None = None, part: Part = WHOLE) -> View:
    """Return the tests of a run's last attempts: what failed first, of that what is new first, then what was flaky."""
    wanted = select(TestResultRow).where(_last_attempts(session, run_id), _in_state(state))
    bad = case((TestResultRow.state.in_(BAD), 0), (TestResultRow.flaky, 1), else_=2)
    order = (bad, TestResultRow.new.desc(), TestResultRow.stage_id, TestResultRow.id)
    rows = session.scalars(wanted.order_by(*order).offset(part.offset).limit(part.limit + 1)).all()
    return _listed([_result(row, links) for row in rows], part)


def counts(session: Session, run_id: int) -> View:
    """Return how many tests of a run's last attempts ended how, and how many of them were new or flaky."""
    flaky = TestResultRow.flaky & TestResultRow.state.not_in(BAD)
    sums = (
        func.count(),
        _how_many(TestResultRow.state.in_(BAD)),
        _how_many(TestResultRow.state.in_(BAD) & TestResultRow.new),
        _how_many(flaky),
        _how_many(TestResultRow.state == Verdict.SKIPPED),
    )
    row = session.execute(select(*sums).where(_last_attempts(session, run_id))).one()
    return dict(zip(("all", "failed", "new", "flaky", "skipped"), (int(one or 0) for one in row), strict=True))


def tests(session: Session, wanted: TestFilter, part: Part = WHOLE) -> View:
    """Return tests with what became of them in a project's newest runs: what fails first, then what is flaky."""
    found = _grouped(session, wanted).subquery()
    newest = select(TestResultRow.id, TestResultRow.state).subquery()
    query = select(found, newest.c.state, ProjectRow.name.label("project")).join(newest, newest.c.id == found.c.id)
    query = query.join(ProjectRow, ProjectRow.id == found.c.project_id)
    if wanted.failing:
        query = query.where(newest.c.state.in_(BAD))
    if wanted.flaky:
        query = query.where(found.c.flaky > 0)
    fails = case((newest.c.state.in_(BAD), 0), else_=1)
    order = (fails, found.c.flaky.desc(), ProjectRow.name, found.c.stage, found.c.suite, found.c.test)
    rows = session.execute(query.order_by(*order).offset(part.offset).limit(part.limit + 1)).all()
    return _listed([_test(row) for row in rows], part)


def test(session: Session, links: Links, result_id: int) -> View | None:
    """Return a test by the number of any of its results, with its last times, the newest first."""
    row = session.get(TestResultRow, result_id)
    if row is None:
        return None
    same = (TestResultRow.project_id == row.project_id) & (TestResultRow.stage == row.stage)
    same &= (TestResultRow.suite == row.suite) & (TestResultRow.name == row.name)
    query = select(TestResultRow, RunRow).join(RunRow, RunRow.id == TestResultRow.run_id).where(same)
    rows = session.execute(query.order_by(TestResultRow.id.desc()).limit(OCCASIONS)).all()
    return {
        "id": str(result_id),
        "project": session.get_one(ProjectRow, row.project_id).name,
        "stage": row.stage,
        "suite": row.suite,
        "name": row.name,
        "times": [_occasion(one, run, links) for one, run in rows],
    }


def _grouped(session: Session, wanted: TestFilter) -> Select[Any]:
    what = (TestResultRow.project_id, TestResultRow.stage, TestResultRow.suite, TestResultRow.name.label("test"))
    sums = (
        func.max(TestResultRow.id).label("id"),
        func.count(TestResultRow.run_id.distinct()).label("runs"),
        _how_many(TestResultRow.state.in_(BAD)).label("failed"),
        _how_many(TestResultRow.flaky.is_(True)).label("flaky"),
        func.avg(TestResultRow.seconds).label("seconds"),
    )
    projects = select(ProjectRow.id).where(ProjectRow.name == wanted.project if wanted.project else true())
    first = [_since(session, project) for project in session.scalars(projects)]
    recent = or_(
        false(), *((TestResultRow.project_id == project) & (TestResultRow.run_id >= since) for project, since in first)
    )
    named = TestResultRow.name == wanted.name if wanted.name else true()
    return select(*what, *sums).where(recent, named).group_by(*what[:3], "test")


def _since(session: Session, project_id: int) -> tuple[int, int]:
    """Return a project, and the oldest of its newest runs that had tests."""
    runs = select(TestResultRow.run_id).where(TestResultRow.project_id == project_id).distinct()
    found = session.scalars(runs.order_by(TestResultRow.run_id.desc()).limit(RUNS)).all()
    return project_id, found[-1] if found else 0


def _last_attempts(session: Session, run_id: int) -> ColumnElement[bool]:
    last = select(TestResultRow.stage_id, func.max(TestResultRow.attempt)).where(TestResultRow.run_id == run_id)
    these = tuple_(TestResultRow.stage_id, TestResultRow.attempt).in_(last.group_by(TestResultRow.stage_id))
    return (TestResultRow.run_id == run_id) & these


def _in_state(state: str | None) -> ColumnElement[bool]:
    if not state:
        return true()
    return TestResultRow.state.in_(BAD) if state == Verdict.FAILED else TestResultRow.state == state


def _how_many(what: ColumnElement[bool]) -> Any:
    return func.sum(cast(what, Integer))


def _listed(items: list[View], part: Part) -> View:
    more = len(items) > part.limit
    return {"items": items[: part.limit], "next": str(part.offset + part.limit) if more else None}


def _result(row: TestResultRow, links: Links) -> View:
    return {
        "id": str(row.id),
        "stage": row.stage,
        "suite": row.suite,
        "name": row.name,
        "state": row.state,
        "seconds": row.seconds,
        "flaky": row.flaky,
        "new": row.new,
        "attempt": row.attempt,
        "shard": row.shard,
        "message": row.message,
        "log_url": links.log(row.run_id, row.stage),
    }


def _test(row: Any) -> View:
    return {
        "id": str(row.id),
        "project": row.project,
        "stage": row.stage,
        "suite": row.suite,
        "name": row.test,
        "state": row.state,
        "seconds": float(row.seconds),
        "runs": row.runs,
        "failed": int(row.failed),
        "flaky": int(row.flaky),
    }


def _occasion(row: TestResultRow, run: RunRow, links: Links) -> View:
    push = Push(ref=run.ref, before=run.before, after=run.revision)
    return {
        "run": f"r{run.id}",
        "url": links.run(run.id),
        "ref": run.ref,
        "branch": push.branch,
        "revision": run.revision,
        "attempt": row.attempt,
        "state": row.state,
        "seconds": row.seconds,
        "flaky": row.flaky,
        "message": row.message,
        "at": when(run.created_at),
    }
