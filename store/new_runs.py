"""New runs in bulk: their rows, first stages, jobs and live messages, and the end of the runs that they replace."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.outcome import State
from pipeline.pull_requests import number_of
from pipeline.push import Push
from pipeline.stage import Kind
from pipeline.telling import newer_run
from store import lanes
from store.jobs import NEVER, QUEUES, JobKind
from store.plain import Plain, as_json, chunks, marks
from store.schema import RunRow, StageRow

SOURCE = "source"
SUPERSEDED = "superseded"
WAITS = "it comes from a fork, and gets no secrets"
# Of a ref that is pushed to without end, this many runs in a row are stopped for a newer one; the next is left alone.
MOST_STOPPED = 3

NOTHING, EMPTY = as_json([]), as_json({})
RUN = (
    *("id", "project_id", "delivery_id", "key", "ref", "revision", "before", "message", "author", "trigger"),
    *("state", "reason", "code", "cancel_requested", "superseded_by", "created_at", "finished_at"),
    *("pull_request", "trusted"),
)
STAGE = (
    *("id", "run_id", "position", "name", "kind", "needs", "spec", "state", "reason", "code", "tail", "attempt"),
    "finished_at",
)
MESSAGE = ("id", "kind", "ref_id", "channel", "ts", "version", "drawn", "error")
JOB = ("kind", "ref_id", "queue", "turn", "state", "attempt", "fence", "owner", "created_at")
END_RUN = """
UPDATE run SET state = 'superseded', reason = ?, code = 'superseded', finished_at = ?, superseded_by = ? WHERE id = ?"""
END_STAGE = """
UPDATE stage SET state = 'superseded', reason = ?, code = 'superseded', finished_at = ?
WHERE run_id = ? AND state = 'queued'"""
STOP = "UPDATE run SET cancel_requested = ?, superseded_by = ?, reason = ? WHERE id = ?"
CALL_OFF = "UPDATE run SET cancel_requested = ?, reason = ? WHERE id = ? AND finished_at IS NULL"
# Of what waits, or where nothing does of all there were: turns only ever grow.
FIRST_TURN = """
SELECT coalesce(
  (SELECT turn FROM job WHERE queue = 'stages' AND state = 'queued' AND sent_at IS NULL AND turn > 0
   ORDER BY turn LIMIT 1),
  (SELECT max(turn) + 1 FROM project))"""
TAKE_PLACE = "UPDATE job SET ref_id = ?, attempt = 0 WHERE id = ?"
REDRAWN = "UPDATE message SET version = version + 1 WHERE kind = 'run' AND ref_id IN "
DRAW = """
UPDATE job SET state = 'queued', attempt = 0, sent_at = NULL, finished_at = NULL
WHERE kind = 'message' AND state = 'done' AND ref_id IN """


@dataclass(kw_only=True, slots=True)
class NewRun:
    """A run to be made; `takes` is the job whose place in the queue it takes, `yields` the run it gives way to."""

    id: int
    project_id: int
    push: Push
    key: str
    trigger: str
    delivery_id: int | None
    at: datetime
    takes: int | None = None
    yields: tuple[int, str] | None = None
    cancelled: str = ""

    @property
    def trusted(self) -> bool:
        """Tell whether only who may push here can have made this commit; else it waits for somebody's approval."""
        return number_of(self.push.ref) is None


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenWay:
    """A run in the database that gives way to the run `to`, of the commit `revision`."""

    run_id: int
    to: int
    revision: str

    @property
    def why(self) -> str:
        """The sentence about it."""
        return newer_run(self.revision, self.to)


def insert_all(session: Session, new: Sequence[NewRun], *, channel: str) -> None:
    """Insert runs with all that belongs to them; the order of `new` is their order in the queue."""
    if not new:
        return
    plain = Plain(session)
    stages, messages = plain.reserve("stage", len(new)), plain.reserve("message", len(new))
    plain.insert("run", RUN, [_run(run, plain) for run in new])
    plain.insert("stage", STAGE, [_stage(run, number, plain) for run, number in zip(new, stages, strict=True)])
    drawn = [(number, "run", run.id, channel, "", 1, 0, "") for run, number in zip(new, messages, strict=True)]
    plain.insert("message", MESSAGE, drawn)
    staged = list(zip(new, stages, strict=True))
    plain.each(TAKE_PLACE, [(stage, run.takes) for run, stage in staged if run.takes and not run.yields])
    waiting = [(run, stage) for run, stage in staged if not run.takes and not run.yields]
    turns = _turns(plain, [run.project_id for run, _ in waiting])
    placed = list(zip(waiting, turns, strict=True))
    firsts = [_job(plain, JobKind.STAGE, stage, run, turn) for (run, stage), turn in placed if run.trusted]
    drawings = [_job(plain, JobKind.MESSAGE, number, run, 0) for run, number in zip(new, messages, strict=True)]
    plain.insert("job", JOB, firsts + drawings, not_before=plain.now)
    held = [_job(plain, JobKind.STAGE, stage, run, turn) for (run, stage), turn in placed if not run.trusted]
    if held:
        plain.insert("job", JOB, held, not_before=f"{NEVER:.0f}")


def end_waiting(session: Session, ends: Sequence[GivenWay], *, at: datetime) -> None:
    """End runs that have not started, each by the run it gives way to."""
    if ends:
        plain = Plain(session)
        ended = plain.time(at)
        plain.each(END_RUN, [(one.why, ended, one.to, one.run_id) for one in ends])
        plain.each(END_STAGE, [(one.why, ended, one.run_id) for one in ends])
        redraw(session, [one.run_id for one in ends])


def stop_running(session: Session, stops: Sequence[GivenWay]) -> None:
    """Ask runs that have started to stop, for the run that each gives way to."""
    if stops:
        Plain(session).each(STOP, [(True, one.to, one.why, one.run_id) for one in stops])
        lanes.leave(session, [one.run_id for one in stops])
        redraw(session, [one.run_id for one in stops])


def call_off(session: Session, runs: Sequence[tuple[int, str]]) -> None:
    """Ask runs to stop, each for its reason."""
    if runs:
        Plain(session).each(CALL_OFF, [(True, why, run_id) for run_id, why in runs])
        lanes.leave(session, [run_id for run_id, _ in runs])
        redraw(session, [run_id for run_id, _ in runs])


def may_be_stopped(session: Session, run_id: int) -> bool:
    """Tell whether a started run may be stopped for a newer one: it does not deploy, and its ref is not starving."""
    begun = (StageRow.run_id == run_id) & (StageRow.kind == Kind.DEPLOY) & (StageRow.attempt > 0)
    if session.scalar(select(StageRow.id).where(begun).limit(1)) is not None:
        return False
    mine = session.execute(select(RunRow.project_id, RunRow.ref).where(RunRow.id == run_id)).one()
    before = (RunRow.project_id == mine.project_id) & (RunRow.ref == mine.ref) & (RunRow.id < run_id)
    begun_before = select(RunRow.superseded_by).where(before, RunRow.started_at.is_not(None))
    last = list(session.scalars(begun_before.order_by(RunRow.id.desc()).limit(MOST_STOPPED)))
    return len(last) < MOST_STOPPED or None in last


def redraw(session: Session, run_ids: Collection[int]) -> None:
    """Have the live messages of runs drawn again, all at once."""
    plain = Plain(session)
    for some in chunks(sorted(run_ids)):
        numbers = [row[0] for row in plain.rows(f"{REDRAWN}{marks(some)} RETURNING id", some)]
        if numbers:
            plain.do(DRAW + marks(numbers), numbers)


def _turns(plain: Plain, project_ids: Sequence[int]) -> list[int]:
    """Return the turns of new runs: after their project's others, and not before whoever waits the longest now.

    So a project that pushes seldom goes ahead of what one that floods us has waiting, and never of its own turn.
    """
    if not project_ids:
        return []
    (first,) = plain.rows(FIRST_TURN)[0]
    mine = sorted(set(project_ids))
    last: dict[int, int] = dict(plain.rows(f"SELECT id, turn FROM project WHERE id IN {marks(mine)}", mine))  # noqa: S608
    turns = []
    for project_id in project_ids:
        last[project_id] = max(last[project_id] + 1, first)
        turns.append(last[project_id])
    plain.each("UPDATE project SET turn = ? WHERE id = ?", [(turn, project_id) for project_id, turn in last.items()])
    return turns


def _job(plain: Plain, kind: JobKind, ref_id: int, run: NewRun, turn: int) -> tuple[Any, ...]:
    return (kind, ref_id, QUEUES[kind], turn, "queued", 0, 0, "", plain.time(run.at))


def _run(new: NewRun, plain: Plain) -> tuple[Any, ...]:
    push, at = new.push, plain.time(new.at)
    made = (new.id, new.project_id, new.delivery_id, new.key, push.ref, push.after, push.before)
    said = (push.message, push.author, new.trigger)
    if new.yields:
        to, revision = new.yields
        ended = (State.SUPERSEDED, newer_run(revision, to), SUPERSEDED, False, to, at, at)
        return (*made, *said, *ended, push.pull_request, new.trusted)
    state, reason = (State.QUEUED, new.cancelled) if new.trusted else (State.WAITING, new.cancelled or WAITS)
    waits = (state, reason, "", bool(new.cancelled), None, at, None)
    return (*made, *said, *waits, push.pull_request, new.trusted)


def _stage(new: NewRun, number: int, plain: Plain) -> tuple[Any, ...]:
    made = (number, new.id, 0, SOURCE, Kind.SOURCE, NOTHING, EMPTY)
    if new.yields:
        to, revision = new.yields
        return (*made, State.SUPERSEDED, newer_run(revision, to), SUPERSEDED, NOTHING, 0, plain.time(new.at))
    return (*made, State.QUEUED, "", "", NOTHING, 0, None)
