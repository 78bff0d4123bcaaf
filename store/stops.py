"""Stops: whether a run was asked to stop, by a person or for a newer run, and may; which runs gave way to which."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.outcome import SKIP_REQUESTED, Outcome, State, superseded
from pipeline.stage import Kind
from pipeline.telling import newer_run
from store.schema import RunRow, StageRow


def asked(session: Session, stage_id: int) -> Outcome | None:
    """Return how a stage is to end because its run was asked to stop; None if it goes on.

    A run that has begun to deploy is stopped by nothing but a person: a deployment under way is never cut.
    """
    query = select(RunRow.id, RunRow.cancel_requested, RunRow.superseded_by, RunRow.reason)
    run = session.execute(query.join(StageRow).where(StageRow.id == stage_id)).one_or_none()
    if run is None or not run.cancel_requested:
        return None
    if run.superseded_by is None:
        return Outcome(state=State.CANCELLED, sentence=run.reason or "by a person", code="cancelled")
    if _deploys(session, run.id):
        return None
    return _by(session, run.superseded_by, run.reason)


def give_way(session: Session, run_id: int, to: int) -> None:
    """Note the run that another one ends for."""
    session.get_one(RunRow, run_id).superseded_by = to


def built_nothing(session: Session, run_id: int) -> bool:
    """Tell whether a run has ended because its commit asks for none, which leaves the commits below it unbuilt.

    One that has not ended does not until the transaction does.
    """
    run = session.get_one(RunRow, run_id, with_for_update=True)
    return run.state == State.SKIPPED and run.code == SKIP_REQUESTED


def given_way(session: Session, run_id: int) -> Outcome | None:
    """Return how a run ends that has given way, or None if it has not."""
    run = session.get_one(RunRow, run_id)
    return None if run.superseded_by is None else _by(session, run.superseded_by, run.reason)


def stands_in(session: Session, run_id: int) -> bool:
    """Tell whether another run of the ref has given way to this one: what that was to build has no other run."""
    mine = session.get_one(RunRow, run_id)
    same = (RunRow.project_id == mine.project_id) & (RunRow.ref == mine.ref)
    return session.scalar(select(RunRow.id).where(same, RunRow.superseded_by == run_id).limit(1)) is not None


def _by(session: Session, number: int, reason: str) -> Outcome:
    newer = session.get(RunRow, number)
    return superseded(newer_run(newer.revision, newer.id) if newer else reason)


def _deploys(session: Session, run_id: int) -> bool:
    """Tell whether a run has begun to deploy."""
    begun = (StageRow.run_id == run_id) & (StageRow.kind == Kind.DEPLOY) & (StageRow.attempt > 0)
    return session.scalar(select(StageRow.id).where(begun).limit(1)) is not None
