"""Ends of runs that were asked to stop: of stages nobody is at work on at once, of those that do not stop by force."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from pipeline.deployment import DeploymentState
from pipeline.outcome import ENDED
from pipeline.stage import Kind
from store import jobs, messages, runs, stage_work, stops
from store.deployments import end_of_stage
from store.schema import DeploymentRow, EnvironmentRow, JobRow, RunRow, StageRow
from store.session import now

STOPPED = RunRow.cancel_requested & RunRow.finished_at.is_(None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Overdue:
    """A stage that somebody is at work on long after its run was asked to stop."""

    stage_id: int
    run_id: int
    stage: str


def stopped(session: Session) -> list[int]:
    """Return the runs that were asked to stop and have not, and note when that was first seen."""
    session.execute(update(RunRow).where(STOPPED, RunRow.stop_seen.is_(None)).values(stop_seen=now()))
    gone_on = RunRow.finished_at.is_(None) & RunRow.stop_seen.is_not(None) & ~RunRow.cancel_requested
    session.execute(update(RunRow).where(gone_on).values(stop_seen=None))
    return list(session.scalars(select(RunRow.id).where(STOPPED).order_by(RunRow.id)))


def end_waiting(session: Session, run_id: int, *, channel: str, at: datetime) -> bool:
    """End a run's stages that wait in the queue, and so the run if no other is at work; tell whether there were any.

    A stage that has begun to deploy is left to a worker, who looks whether it serves already. A run of which no stage
    is left to end is ended itself: no worker would.
    """
    begun = (StageRow.kind == Kind.DEPLOY) & (StageRow.attempt > 0)
    mine = select(StageRow.id).where(StageRow.run_id == run_id, StageRow.state.not_in(ENDED), ~begun)
    first = session.scalar(mine.limit(1))
    outcome = stops.asked(session, first) if first is not None else None
    if first is None:
        settled = runs.settle(session, run_id, at=at)
        if settled:
            messages.touch(session, "run", run_id, channel=channel, at=at)
        return settled
    if outcome is None:
        return False
    waits = (JobRow.kind == jobs.JobKind.STAGE) & JobRow.ref_id.in_(mine) & (JobRow.state == "queued")
    ended = list(session.scalars(_done(waits)))
    for stage_id in ended:
        runs.lock(session, stage_id)
        if not stage_work.work(session, stage_id).stage.state.ended:
            runs.end(session, stage_id, outcome, at=at)
    if ended:
        messages.touch(session, "run", run_id, channel=channel, at=at)
    return bool(ended)


def late(session: Session, seconds: float) -> bool:
    """Tell whether a run has not stopped `seconds` after that was seen to be asked of it."""
    seen = stopped(session)
    slow = STOPPED & (RunRow.stop_seen < now() - seconds)
    return bool(seen) and session.scalar(select(RunRow.id).where(slow).limit(1)) is not None


def overdue(session: Session, seconds: float) -> list[Overdue]:
    """Return the stages that run `seconds` after their run was seen to be stopped; never what deploys."""
    late = STOPPED & (RunRow.stop_seen < now() - seconds)
    query = (
        select(StageRow.id, StageRow.run_id, StageRow.name)
        .join(RunRow)
        .where(late, StageRow.state.not_in(ENDED), StageRow.kind != Kind.DEPLOY)
    )
    busy = select(JobRow.ref_id).where(JobRow.kind == jobs.JobKind.STAGE, JobRow.state == "running")
    rows = session.execute(query.where(StageRow.id.in_(busy)))
    return [Overdue(stage_id=row.id, run_id=row.run_id, stage=row.name) for row in rows]


def end_overdue(session: Session, late: Overdue, *, channel: str, at: datetime) -> None:
    """End a stage that somebody still holds: its fence moves on, so that whoever that is can write nothing more."""
    held = (JobRow.kind == jobs.JobKind.STAGE) & (JobRow.ref_id == late.stage_id)
    session.execute(_done(held & (JobRow.state == "running")))
    runs.lock(session, late.stage_id)
    outcome = stops.asked(session, late.stage_id)
    if outcome is None or stage_work.work(session, late.stage_id).stage.state.ended:
        return
    runs.end(session, late.stage_id, outcome, at=at)
    messages.touch(session, "run", late.run_id, channel=channel, at=at)


def serves(session: Session, stage_id: int) -> bool:
    """Tell whether what a stage deploys has begun to serve: that is no longer to be called off."""
    live = (DeploymentRow.stage_id == stage_id) & (EnvironmentRow.live_deployment_id == DeploymentRow.id)
    return session.scalar(select(DeploymentRow.id).join(EnvironmentRow, live).limit(1)) is not None


def leave(session: Session, stage_id: int, reason: str, *, at: datetime) -> None:
    """End the deployment of a stage that ended without it, and have what it had started taken away."""
    row = session.scalar(select(DeploymentRow).where(DeploymentRow.stage_id == stage_id))
    if row is not None and not DeploymentState(row.state).ended:
        end_of_stage(session, stage_id, DeploymentState.SUPERSEDED, reason=reason, code="superseded", at=at)
        jobs.add(session, jobs.JobKind.MEND, row.environment_id, at=at)


def _done(which: ColumnElement[bool]) -> ReturningUpdate[int]:
    ended = {"state": "done", "lease_until": None, "fence": JobRow.fence + 1, "owner": ""}
    return update(JobRow).where(which).values(**ended).returning(JobRow.ref_id)
