"""What follows a stage at once: the same worker goes on with the run, and nothing has to be sent or forked for it."""

from sqlalchemy import literal_column, select, tuple_
from sqlalchemy.orm import Session

from store import jobs, lanes
from store.schema import JobRow, StageRow
from store.session import now

# As the index says it: SQLite must see that it holds every row that is asked for.
STILL_QUEUED = JobRow.state == literal_column("'queued'")


def claim_next(session: Session, ended: jobs.Claim) -> jobs.Claim | None:
    """Take the first stage of the same run that may start now, for the worker whose stage has just ended.

    None if there is none, or if something else has waited for longer: that is whose turn it is.
    """
    run = select(StageRow.run_id).where(StageRow.id == ended.ref_id).scalar_subquery()
    mine = select(StageRow.id).where(StageRow.run_id == run)
    may_start = (STILL_QUEUED, JobRow.not_before <= now(), JobRow.queue == jobs.STAGES, lanes.is_free())
    first = session.execute(
        select(JobRow.id, JobRow.turn)
        .where(JobRow.kind == jobs.JobKind.STAGE, JobRow.ref_id.in_(mine), *may_start)
        .order_by(JobRow.id)
        .limit(1)
    ).one_or_none()
    if first is None:
        return None
    before = tuple_(JobRow.turn, JobRow.id) < (first.turn, first.id)
    older = select(JobRow.id).where(*may_start, before).limit(1)
    if session.scalar(older) is not None:
        return None
    owner = session.scalar(select(JobRow.owner).where(JobRow.id == ended.id)) or ""
    return jobs.claim(session, first.id, owner)
