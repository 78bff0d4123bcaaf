"""Lanes: of all jobs in one lane, one is at work at a time, in the order they were queued.

Who is next is worked out where a job is claimed, from what the table says then: there is nothing to hand back, and a
holder that died leaves the lane with its lease. A job that is put back keeps its place, which is before all later ones;
one that a person has done again takes a new one.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, func, literal_column, or_, select, update
from sqlalchemy.orm import Session, aliased

from pipeline.names import run_name
from store.schema import JobRow, StageRow

# As the index says it: SQLite must see that it holds every row that is asked for.
DONE: ColumnElement[str] = literal_column("'done'")
NO_LANE: ColumnElement[str] = literal_column("''")


def lane_of(project_id: int, group: str) -> str:
    """Return the lane of a project's concurrency group; no group is no lane."""
    return f"{project_id}:{group}" if group else ""


def is_free() -> ColumnElement[bool]:
    """Return the condition that a job is in no lane, or the first in its lane with nobody at work there."""
    other = aliased(JobRow)
    ahead = select(other.id).where(
        other.lane == JobRow.lane,
        other.lane != NO_LANE,
        other.state != DONE,
        other.id != JobRow.id,
        or_(other.state == "running", _earlier(other)),
    )
    return or_(JobRow.lane == "", ~ahead.correlate(JobRow).exists())


def hold(session: Session, job_id: int) -> bool:
    """Let nobody else take a job of this one's lane until the transaction ends; return whether it is in one.

    SQLite has one writer at a time anyway. Two of PostgreSQL's would both see a lane in which nobody is at work.
    """
    lane = session.scalar(select(JobRow.lane).where(JobRow.id == job_id))
    if lane and session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(lane, 0))))
    return bool(lane)


def leave(session: Session, run_ids: Collection[int]) -> None:
    """Let what waits in lanes for runs that are to stop be claimed at once: it is only going to end."""
    mine = select(StageRow.id).where(StageRow.run_id.in_(run_ids), StageRow.lane != "")
    waiting = and_(JobRow.kind == "stage", JobRow.state == "queued", JobRow.lane != NO_LANE, JobRow.ref_id.in_(mine))
    session.execute(update(JobRow).where(waiting).values(lane="", sent_at=None))


def lose_places(session: Session, stage_ids: Collection[int]) -> None:
    """Let stages that are done again stand behind those that wait when they are queued."""
    mine = and_(JobRow.kind == "stage", JobRow.ref_id.in_(stage_ids), JobRow.state == DONE)
    session.execute(update(JobRow).where(mine).values(place=0.0))


def rejoin(session: Session, job_id: int, lane: str) -> bool:
    """Put a job that left its lane back into it; return whether it had left."""
    left = and_(JobRow.id == job_id, JobRow.lane == "")
    back = session.scalar(update(JobRow).where(left).values(lane=lane).returning(JobRow.id))
    return back is not None


def waits(session: Session, stage_ids: Collection[int]) -> dict[int, str]:
    """Return what queued stages wait for in their lanes, as a sentence; one that may begin is not among them."""
    if not stage_ids:
        return {}
    other, mine, holder = aliased(JobRow), aliased(StageRow), aliased(StageRow)
    query = (
        select(JobRow.ref_id, mine.lane, holder.run_id, holder.name)
        .join(mine, mine.id == JobRow.ref_id)
        .join(other, and_(other.lane == JobRow.lane, other.id != JobRow.id, other.state != DONE))
        .join(holder, holder.id == other.ref_id)
        .where(JobRow.kind == "stage", JobRow.state == "queued", JobRow.lane != NO_LANE, other.lane != NO_LANE)
        .where(JobRow.ref_id.in_(stage_ids), or_(other.state == "running", _earlier(other)))
        .order_by(JobRow.ref_id, other.state == "queued", other.place, other.id)
    )
    found: dict[int, str] = {}
    for stage_id, lane, run_id, name in session.execute(query):
        found.setdefault(stage_id, f"waits for {run_name(run_id)} · {name} (concurrency {lane})")
    return found


def _earlier(other: type[JobRow]) -> ColumnElement[bool]:
    return or_(other.place < JobRow.place, and_(other.place == JobRow.place, other.id < JobRow.id))
