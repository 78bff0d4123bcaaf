"""Jobs: the outbox that dispatch reads and the leases that workers hold, in one table."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CursorResult, case, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from pipeline.errors import StaleFence
from store.schema import JobRow
from store.session import now

LEASE_SECONDS = 15.0
RESEND_SECONDS = 8.0


class JobKind(StrEnum):
    """What a job's `ref_id` names; there is only one thing to show, number 0."""

    STAGE = "stage"
    DEPLOYMENT = "deployment"
    MEND = "mend"
    SHOW = "show"
    COMMAND = "command"
    MESSAGE = "message"


QUEUES = {
    JobKind.STAGE: "stages",
    JobKind.DEPLOYMENT: "stages",
    JobKind.MEND: "stages",
    JobKind.SHOW: "stages",
    JobKind.COMMAND: "chat",
    JobKind.MESSAGE: "chat",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The right to do one job, until a newer claim is made."""

    id: int
    kind: JobKind
    ref_id: int
    fence: int
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A job that waits to be sent to its queue; `fence` tells this wait from its earlier ones."""

    id: int
    queue: str
    fence: int


def add(session: Session, kind: JobKind, ref_id: int, *, at: datetime, delay: float = 0.0) -> None:
    """Make sure the thing gets done: a new job, or the one there is, put back in the queue if it has ended."""
    same = (JobRow.kind == kind) & (JobRow.ref_id == ref_id)
    # Inserting is tried only where there is none: PostgreSQL's insert would wait for whoever is changing the row.
    if session.scalar(select(JobRow.id).where(same)) is None and _insert(session, kind, ref_id, at=at, delay=delay):
        return
    wanted = now() + delay
    rested = case((JobRow.not_before > wanted, JobRow.not_before), else_=wanted)
    again = {"state": "queued", "attempt": 0, "sent_at": None, "finished_at": None, "not_before": rested}
    session.execute(update(JobRow).where(same, JobRow.state == "done").values(**again))


def claim(session: Session, job_id: int, owner: str) -> Claim | None:
    """Take a job that is queued and due, or whose holder's lease has run out; None if somebody has it or it is done."""
    taken = session.execute(
        update(JobRow)
        .where(
            JobRow.id == job_id,
            or_(
                (JobRow.state == "queued") & (JobRow.not_before <= now()),
                (JobRow.state == "running") & (JobRow.lease_until < now()),
            ),
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
        return None
    return Claim(id=taken.id, kind=JobKind(taken.kind), ref_id=taken.ref_id, fence=taken.fence, attempt=taken.attempt)


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
    attempt = JobRow.attempt if counts else JobRow.attempt - 1
    _holding(session, claim, state="queued", lease_until=None, sent_at=None, not_before=now() + delay, attempt=attempt)


def due(session: Session, limit: int = 200) -> list[Due]:
    """Return the jobs to send now: never sent, or sent and unclaimed for so long that the queue must have lost them."""
    lost = JobRow.sent_at < now() - RESEND_SECONDS
    rows = session.execute(
        select(JobRow.id, JobRow.queue, JobRow.fence)
        .where(JobRow.state == "queued", JobRow.not_before <= now(), or_(JobRow.sent_at.is_(None), lost))
        .order_by(JobRow.id)
        .limit(limit)
    )
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
    waiting = or_(JobRow.state == "running", (JobRow.state == "queued") & JobRow.sent_at.is_(None))
    return session.scalar(select(clock - now()).where(waiting).order_by(clock).limit(1))


def _holding(session: Session, claim: Claim, **values: Any) -> None:
    mine = (JobRow.id == claim.id) & (JobRow.fence == claim.fence) & (JobRow.state == "running")
    if _count(session.execute(update(JobRow).where(mine).values(**values))) != 1:
        raise StaleFence


def _insert(session: Session, kind: JobKind, ref_id: int, *, at: datetime, delay: float) -> bool:
    """Make a job; False if another process has made it since we looked."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    values = {"kind": kind, "ref_id": ref_id, "queue": QUEUES[kind], "state": "queued", "created_at": at}
    made = insert(JobRow).values(**values, not_before=now() + delay)
    unless_known = made.on_conflict_do_nothing(index_elements=[JobRow.kind, JobRow.ref_id])
    return session.scalar(unless_known.returning(JobRow.id)) is not None


def _count(result: Any) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0


def _utc(session: Session) -> datetime:
    return datetime.fromtimestamp(session.scalar(select(now())) or 0.0, UTC)
