"""What is known of refs when news of them comes: what was told, their newest run, their runs that have not ended."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from pipeline.decide import Heard, Made
from pipeline.outcome import State
from store.plain import Plain, Row, by_project, chunks, marks

Ref = tuple[int, str]
BY_PUSH = frozenset({"push", "sweep"})
# What a pull request from a fork starts.
STRANGERS = "pull_request"
NOT_STARTED = frozenset({State.QUEUED, State.WAITING})
NO_RUN = 0

MADE = "id, revision, before, state, cancel_requested, superseded_by"
TOLD = """
SELECT ref, revision, (
  SELECT id FROM run WHERE run.project_id = ref_head.project_id AND run.ref = ref_head.ref
  AND superseded_by IS NULL AND id <> ? ORDER BY id DESC LIMIT 1
) FROM ref_head WHERE project_id = ? AND ref IN """
NEWEST = """
SELECT wanted.ref, (
  SELECT id FROM run WHERE run.project_id = ? AND run.ref = wanted.ref
  AND superseded_by IS NULL AND id <> ? ORDER BY id DESC LIMIT 1
) FROM wanted"""
# `finished_at IS NULL` is what the index on open runs says.
OPEN = """
SELECT run.ref, run.id, run.revision, run.trigger, run.state, stage.id
FROM run LEFT JOIN stage ON stage.run_id = run.id AND stage.name = 'source'
WHERE run.finished_at IS NULL AND NOT run.cancel_requested AND run.id <> ? AND run.project_id = ? AND run.ref IN """
UNREAD = """
SELECT project_id FROM run WHERE finished_at IS NULL AND config IS NULL AND trigger IN ('push', 'sweep')
AND project_id = ? AND ref IN """
FREE_JOBS = "SELECT id, ref_id FROM job WHERE kind = 'stage' AND state = 'queued' AND ref_id IN "
WAITING = "SELECT id FROM run WHERE state IN ('queued', 'waiting') AND id IN "
PUT_HEAD = """
INSERT INTO ref_head (project_id, ref, revision, candidate, seen_at) VALUES (?, ?, ?, '', ?)
ON CONFLICT (project_id, ref) DO UPDATE
SET revision = excluded.revision, candidate = excluded.candidate, seen_at = excluded.seen_at"""


@dataclass(kw_only=True, slots=True)
class OpenRun:
    """A run that has not ended nor been asked to; `job_id` is its first stage's while it waits and nobody is at it."""

    id: int
    revision: str
    by_push: bool
    started: bool
    job_id: int | None = None


@dataclass(kw_only=True, slots=True)
class RefState:
    """A ref, as it is known before and while news of it are taken in; `open` is in the order the runs were made."""

    told: str | None = None
    newest: Made | None = None
    open: list[OpenRun] = field(default_factory=list)

    @property
    def heard(self) -> Heard:
        """What may be decided by."""
        return Heard(told=self.told, newest=self.newest)


def load(session: Session, refs: Collection[Ref], *, besides: int | None = None) -> dict[Ref, RefState]:
    """Return the state of refs; the run `besides` is left out, as if it had not been made."""
    plain, states, without = Plain(session), {ref: RefState() for ref in refs}, besides or NO_RUN
    for project_id, names in by_project(refs):
        newest: dict[str, int | None] = {}
        for ref, revision, number in plain.rows(TOLD + marks(names), (without, project_id, *names)):
            states[project_id, ref].told = revision or None
            newest[ref] = number
        unheard = [name for name in names if name not in newest]
        if unheard:
            wanted = f"WITH wanted(ref) AS (VALUES {', '.join('(?)' for _ in unheard)})"
            newest |= dict(plain.rows(wanted + NEWEST, (*unheard, project_id, without)))
        made = _made(plain, [number for number in newest.values() if number])
        for ref, number in newest.items():
            states[project_id, ref].newest = made.get(number or NO_RUN)
    _find_open(plain, states, without)
    return states


def made_of(session: Session, keys: Collection[Ref]) -> dict[Ref, Made]:
    """Return the first runs of commits on refs, by (project, key)."""
    plain, found = Plain(session), {}
    for project_id, some in by_project(keys):
        query = f"SELECT key, {MADE} FROM run WHERE project_id = ? AND key IN {marks(some)}"  # noqa: S608
        for key, *row in plain.rows(query, (project_id, *some)):
            found[project_id, key] = _as_made(tuple(row))
    return found


def unread(session: Session, refs: Collection[Ref]) -> set[int]:
    """Return the projects in which the configuration of a push of one of these refs waits to be read."""
    plain = Plain(session)
    return {
        row[0]
        for project_id, names in by_project(refs)
        for row in plain.rows(UNREAD + marks(names), (project_id, *names))
    }


def note(session: Session, heads: Iterable[tuple[Ref, str | None]], *, at: datetime) -> None:
    """Note what was told of refs: their commit, or None for a ref that is no longer there."""
    plain, told = Plain(session), sorted(dict(heads).items(), key=lambda item: item[0])
    gone = [ref for ref, revision in told if revision is None]
    plain.each("DELETE FROM ref_head WHERE project_id = ? AND ref = ?", gone)
    seen = plain.time(at)
    plain.each(PUT_HEAD, [(*ref, revision, seen) for ref, revision in told if revision is not None])


def _made(plain: Plain, numbers: Collection[int]) -> dict[int, Made]:
    if not numbers:
        return {}
    rows = plain.rows(f"SELECT {MADE} FROM run WHERE id IN {marks(numbers)}", list(numbers))  # noqa: S608
    return {row[0]: _as_made(row) for row in rows}


def _as_made(row: Row) -> Made:
    number, revision, before, state, cancelled, superseded_by = row
    gave_way = superseded_by is not None or state == State.SUPERSEDED
    return Made(run_id=number, revision=revision, before=before, void=bool(cancelled) or gave_way)


def _find_open(plain: Plain, states: dict[Ref, RefState], without: int) -> None:
    waiting: dict[int, OpenRun] = {}
    for project_id, names in by_project(states):
        rows = plain.rows(f"{OPEN}{marks(names)} ORDER BY run.id", (without, project_id, *names))
        for ref, number, revision, trigger, state, stage_id in rows:
            started, by_push = state not in NOT_STARTED, trigger in BY_PUSH or trigger == STRANGERS
            run = OpenRun(id=number, revision=revision, by_push=by_push, started=started)
            states[project_id, ref].open.append(run)
            if not started and stage_id is not None:
                waiting[stage_id] = run
    _hold(plain, waiting)


def _hold(plain: Plain, waiting: dict[int, OpenRun]) -> None:
    """Let no worker begin what waits until the transaction ends; what one has just begun counts as started.

    Jobs first and then runs, as the workers do; a job that somebody claims just now stays with its claimant.
    """
    for some in chunks(sorted(waiting)):
        free = f"{FREE_JOBS}{marks(some)} ORDER BY id{plain.lock('UPDATE SKIP LOCKED')}"
        for job_id, stage_id in plain.rows(free, some):
            waiting[stage_id].job_id = job_id
        runs = sorted(waiting[stage].id for stage in some)
        held = {row[0] for row in plain.rows(f"{WAITING}{marks(runs)} ORDER BY id{plain.lock('UPDATE')}", runs)}
        for stage in some:
            waiting[stage].started = waiting[stage].id not in held
