"""Jobs: the outbox that dispatch reads and the leases that workers hold, in one table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Select, case, func, literal_column, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from pipeline.errors import StaleFence
from store import lanes
from store.schema import JobRow
from store.session import now

LEASE_SECONDS = 15.0
RESEND_SECONDS = 8.0
STAGES = "stages"
# More than workers can claim before the clock hears of it, and few enough that nobody waits long behind them.
MOST_OUT = 16
# When a job is due that somebody must allow first: in the year 33658.
NEVER = 1e12
# As the indexes say it: SQLite must see that they hold every row that is asked for.
STILL_QUEUED = JobRow.state == literal_column("'queued'")
WAS_SENT, NOT_SENT = JobRow.sent_at.is_not(None), JobRow.sent_at.is_(None)


class JobKind(StrEnum):
    """What a job's `ref_id` names; there is only one thing to show, to reap or to prune, number 0."""

    STAGE = "stage"
    DEPLOYMENT = "deployment"
    MEND = "mend"
    SHOW = "show"
    COMMAND = "command"
    MESSAGE = "message"
    SWEEP = "sweep"
    REPORT = "report"
    REAP = "reap"
    PRUNE = "prune"
    PUBLICATION = "publication"
    TESTED = "tested"


QUEUES = {
    JobKind.STAGE: "stages",
    JobKind.DEPLOYMENT: "stages",
    JobKind.COMMAND: "chat",
    JobKind.MESSAGE: "chat",
    JobKind.SWEEP: "forges",
    JobKind.REPORT: "forges",
    JobKind.PRUNE: "forges",
    # Where no stage and no host can keep them waiting: what serves is kept right, and what hangs is ended.
    JobKind.MEND: "upkeep",
    JobKind.SHOW: "upkeep",
    JobKind.REAP: "upkeep",
    JobKind.PUBLICATION: "stages",
    JobKind.TESTED: "stages",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The right to do one job, until a newer claim is made; `taken_over`: whoever had it last has died."""

    id: int
    kind: JobKind
    ref_id: int
    fence: int
    attempt: int
    taken_over: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A job that waits to be sent to its queue; `fence` tells this wait from its earlier ones."""

    id: int
    queue: str
    fence: int


def add(session: Session, kind: JobKind, ref_id: int, *, at: datetime, delay: float = 0.0, lane: str = "") -> None:
    """Make sure the thing gets done: a new job, or the one there is, put back in the queue if it has ended.

    Of all jobs with the same `lane` one is at work at a time.
    """
    same = (JobRow.kind == kind) & (JobRow.ref_id == ref_id)
    # Inserting is tried only where there is none: PostgreSQL's insert would wait for whoever is changing the row.
    known = session.scalar(select(JobRow.id).where(same)) is not None
    if not known and _insert(session, kind, [ref_id], at=at, delay=delay, lane=lane):
        return
    _again(session, same, delay=delay, lane=lane)


def add_all(session: Session, kind: JobKind, ref_ids: Sequence[int], *, at: datetime) -> None:
    """Make sure that many things of one kind get done, as `add` does for one."""
    same = (JobRow.kind == kind) & JobRow.ref_id.in_(ref_ids)
    known = set(session.scalars(select(JobRow.ref_id).where(same)))
    new = [ref_id for ref_id in ref_ids if ref_id not in known]
    if new:
        _insert(session, kind, new, at=at, delay=0.0)
    if known:
        _again(session, same, delay=0.0)


def claim(session: Session, job_id: int, owner: str) -> Claim | None:
    """Take a job that is queued and due, or whose holder's lease has run out; None if somebody has it or it is done.

    One whose turn in its lane has not come is not taken either, and has to be sent again.
    """
    in_lane = lanes.hold(session, job_id)
    before = session.scalar(select(JobRow.owner).where(JobRow.id == job_id))
    taken = session.execute(
        update(JobRow)
        .where(
            JobRow.id == job_id,
            or_(
                (JobRow.state == "queued") & (JobRow.not_before <= now()),
                (JobRow.state == "running") & (JobRow.lease_until < now()),
            ),
            lanes.is_free(),
        )
        .values(
            state="running",
            owner=owner,
            fence=JobRow.fence + 1,
            attempt=JobRow.attempt + 1,
            lease_until=now() + LEASE_SECONDS,
        )
        .returning(JobRow.id, JobRow.kind, JobRow.ref_id, JobRow.fence, JobRow.attempt)
    ).one_or_none()
    if taken is None:
        if in_lane:
            session.execute(update(JobRow).where(JobRow.id == job_id, JobRow.state == "queued").values(sent_at=None))
        return None
    return Claim(
        id=taken.id,
        kind=JobKind(taken.kind),
        ref_id=taken.ref_id,
        fence=taken.fence,
        attempt=taken.attempt,
        taken_over=bool(before),
    )


def renew(session: Session, claim: Claim) -> None:
    """Extend the lease. Raises StaleFence if it has been taken over, which also guards the rest of the transaction."""
    _holding(session, claim, lease_until=now() + LEASE_SECONDS)


def finish(session: Session, claim: Claim, *, rest: float = 0.0) -> None:
    """End the job, in the transaction that records what it did. Raises StaleFence.

    Added again it rests `rest` seconds first.
    """
    _holding(session, claim, state="done", lease_until=None, finished_at=_utc(session), not_before=now() + rest)


def put_back(session: Session, claim: Claim, *, delay: float, counts: bool = True) -> None:
    """Queue the job again after `delay` seconds; `counts` says whether this was an attempt. Raises StaleFence."""
    # Only a dead worker's job waits with an owner.
    attempt = JobRow.attempt if counts else JobRow.attempt - 1
    _holding(
        session,
        claim,
        state="queued",
        lease_until=None,
        sent_at=None,
        not_before=now() + delay,
        attempt=attempt,
        owner="",
    )


def hasten(session: Session, kind: JobKind, *ref_ids: int, delay: float = 0.0) -> None:
    """Let jobs of a kind that wait for longer wait `delay` seconds; all of them, or those of these things."""
    mine = [JobRow.ref_id.in_(ref_ids)] if ref_ids else []
    soon = now() + delay
    waiting = (JobRow.kind == kind, JobRow.state == "queued", JobRow.not_before > soon, *mine)
    session.execute(update(JobRow).where(*waiting).values(not_before=soon))


def allow(session: Session, kind: JobKind, ref_id: int) -> None:
    """Let a job that waits for somebody to allow it be done now."""
    held = (JobRow.kind == kind, JobRow.ref_id == ref_id, JobRow.state == "queued", JobRow.not_before >= NEVER)
    session.execute(update(JobRow).where(*held).values(not_before=now(), sent_at=None))


def put_off(session: Session, kind: JobKind, ref_ids: Sequence[int], *, delay: float) -> None:
    """Let jobs of a kind that wait for these things wait for at least `delay` seconds."""
    later = now() + delay
    waiting = (JobRow.kind == kind, JobRow.state == "queued", JobRow.not_before < later, JobRow.ref_id.in_(ref_ids))
    session.execute(update(JobRow).where(*waiting).values(not_before=later, sent_at=None))


def due(session: Session, limit: int = 200) -> list[Due]:
    """Return the jobs to send now: never sent, or sent and unclaimed for so long that the queue must have lost them.

    Of stages only so many are out at a time, in the order of their turns: what is in Redis cannot be overtaken. What
    waits in a lane stays here, and takes nobody's place.
    """
    ready = (STILL_QUEUED, JobRow.not_before <= now(), lanes.is_free())
    lost = session.execute(_dues().where(*ready, WAS_SENT, JobRow.sent_at < now() - RESEND_SECONDS).limit(limit))
    others = session.execute(_dues().where(*ready, NOT_SENT, JobRow.queue != STAGES).order_by(JobRow.id).limit(limit))
    out = select(func.count()).select_from(JobRow).where(STILL_QUEUED, WAS_SENT, JobRow.queue == STAGES)
    room = max(0, MOST_OUT - (session.scalar(out) or 0))
    waiting = _dues().where(*ready, NOT_SENT, JobRow.queue == STAGES).order_by(JobRow.turn, JobRow.id)
    stages = session.execute(waiting.limit(min(room, limit)))
    rows = [*lost, *others, *stages]
    return [Due(id=row.id, queue=row.queue, fence=row.fence) for row in rows]


def sent(session: Session, handed: list[Due]) -> None:
    """Note that these jobs were handed to the queue; one that was done meanwhile and waits anew was not."""
    same = tuple_(JobRow.id, JobRow.fence).in_([(one.id, one.fence) for one in handed])
    session.execute(update(JobRow).where(same, JobRow.state == "queued").values(sent_at=now()))


def reap(session: Session) -> int:
    """Put the jobs of dead workers back in the queue and return how many there were."""
    dead = (JobRow.state == "running") & (JobRow.lease_until < now())
    reaped = session.execute(update(JobRow).where(dead).values(state="queued", sent_at=None, lease_until=None))
    return _count(reaped)


def seconds_until_due(session: Session) -> float | None:
    """Return how long until the next waiting job is due or the next lease runs out; None if there is neither."""
    clock = case((JobRow.state == "queued", JobRow.not_before), else_=JobRow.lease_until)
    waiting = or_(JobRow.state == "running", (JobRow.state == "queued") & JobRow.sent_at.is_(None) & lanes.is_free())
    return session.scalar(select(clock - now()).where(waiting).order_by(clock).limit(1))


def _dues() -> "Select[int, str, int]":
    return select(JobRow.id, JobRow.queue, JobRow.fence)


def _holding(session: Session, claim: Claim, **values: Any) -> None:
    mine = (JobRow.id == claim.id) & (JobRow.fence == claim.fence) & (JobRow.state == "running")
    if _count(session.execute(update(JobRow).where(mine).values(**values))) != 1:
        raise StaleFence


def _again(session: Session, same: ColumnElement[bool], *, delay: float, lane: str = "") -> None:
    """Put jobs that have ended back in the queue; one that rests goes on resting."""
    wanted = now() + delay
    rested = case((JobRow.not_before > wanted, JobRow.not_before), else_=wanted)
    again = {
        "state": "queued",
        "attempt": 0,
        "owner": "",
        "sent_at": None,
        "finished_at": None,
        "not_before": rested,
        "lane": lane,
    }
    again["place"] = case((JobRow.place == 0.0, now()), else_=JobRow.place)
    session.execute(update(JobRow).where(same, JobRow.state == "done").values(**again))


def _insert(
    session: Session, kind: JobKind, ref_ids: Sequence[int], *, at: datetime, delay: float, lane: str = ""
) -> bool:
    """Make jobs; False if another process has made them since we looked."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    values = {"kind": kind, "queue": QUEUES[kind], "state": "queued", "created_at": at, "not_before": now() + delay}
    values["place"] = now()
    made = insert(JobRow).values([{**values, "ref_id": ref_id, "lane": lane} for ref_id in ref_ids])
    unless_known = made.on_conflict_do_nothing(index_elements=[JobRow.kind, JobRow.ref_id])
    return session.scalar(unless_known.returning(JobRow.id)) is not None


def _count(result: Any) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0


def _utc(session: Session) -> datetime:
    return datetime.fromtimestamp(session.scalar(select(now())) or 0.0, UTC)
