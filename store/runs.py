"""Runs and their stages: made from pushes, moved only through `Run.advance`."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from pipeline.outcome import Outcome, State
from pipeline.project import Project
from pipeline.push import Push
from pipeline.run import Run
from pipeline.stage import Kind, PlannedStage, Stage
from store import jobs, lanes
from store.refs import BY_PUSH
from store.schema import DeploymentRow, RunRow, StageRow
from store.stage_work import stage_of

SOURCE = "source"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What somebody who asks for a run says: who it is, why, and which stages, None being all.

    `again` makes another run of a push that has had one, and tells it from those.
    """

    again: str = ""
    by: str = ""
    reason: str = ""
    wanted: list[str] | None = None


NOT_ASKED = Asked()


def create(
    session: Session,
    project: Project,
    push: Push,
    *,
    trigger: str,
    at: datetime,
    delivery_id: int | None = None,
    asked: Asked = NOT_ASKED,
) -> tuple[int, bool]:
    """Return the run of this (ref, revision) and whether it was made now, its first job with it."""
    key = f"{push.ref}@{push.after}{'#' + asked.again if asked.again else ''}"
    known = session.scalar(select(RunRow.id).where(RunRow.project_id == project.id, RunRow.key == key))
    if known is not None:
        return known, False
    row = RunRow(
        project_id=project.id,
        delivery_id=delivery_id,
        key=key,
        ref=push.ref,
        revision=push.after,
        before=push.before,
        message=push.message,
        author=push.author,
        trigger=trigger,
        state=State.QUEUED,
        reason="",
        code="",
        asked_by=asked.by,
        asked_reason=asked.reason,
        wanted=asked.wanted,
        created_at=at,
    )
    session.add(row)
    session.flush()
    plan(session, row.id, (PlannedStage(name=SOURCE, kind=Kind.SOURCE),))
    start_ready(session, row.id, at=at)
    return row.id, True


def plan(session: Session, run_id: int, stages: Iterable[PlannedStage]) -> None:
    """Add planned stages to a run; planning the same stages again changes nothing."""
    known = set(session.scalars(select(StageRow.name).where(StageRow.run_id == run_id)))
    for position, planned in enumerate(stages, start=len(known)):
        if planned.name not in known:
            session.add(_stage_row(run_id, position, planned))
    session.flush()


def load(session: Session, run_id: int) -> Run:
    """Return a run and its stages as they stand."""
    row = session.get_one(RunRow, run_id)
    return Run(id=row.id, state=State(row.state), stages=tuple(stage_of(stage) for stage in _stages(session, run_id)))


def lock(session: Session, stage_id: int) -> None:
    """Let nobody else move the run of this stage until the transaction ends."""
    mine = select(StageRow.run_id).where(StageRow.id == stage_id).scalar_subquery()
    session.execute(select(RunRow.id).where(RunRow.id == mine).with_for_update())


def begin(session: Session, stage_id: int, *, at: datetime, note: str = "") -> None:
    """Note that a stage has been started, once more perhaps, and why once more."""
    stage = session.get_one(StageRow, stage_id)
    run = session.get_one(RunRow, stage.run_id)
    stage.state, stage.reason, stage.attempt = State.RUNNING, note, stage.attempt + 1
    stage.progress = ""
    stage.started_at = stage.started_at or at
    run.state = State.RUNNING
    run.started_at = run.started_at or at


def say_progress(session: Session, stage_id: int, text: str) -> None:
    """Note how far a stage that runs has come."""
    running = (StageRow.id == stage_id) & (StageRow.state == State.RUNNING)
    session.execute(update(StageRow).where(running).values(progress=text))


def wait(session: Session, stage_id: int, reason: str) -> None:
    """Note that a stage goes back to the queue, and why."""
    stage = session.get_one(StageRow, stage_id)
    stage.state, stage.reason = State.QUEUED, reason


def end(session: Session, stage_id: int, outcome: Outcome, *, at: datetime) -> Run:
    """Record how a stage ended, start what may start now, and return the run as it stands then."""
    row = session.get_one(StageRow, stage_id)
    session.get_one(RunRow, row.run_id, with_for_update=True)
    moved = load(session, row.run_id).advance(stage_id, outcome)
    leave_deployments(session, [stage.id for stage in moved.stages if stage.id == stage_id and not stage.state.ended])
    row.tail, row.finished_at = list(outcome.tail), at
    _save(session, moved, outcome, at=at)
    start_ready(session, row.run_id, at=at)
    return moved


def settle(session: Session, run_id: int, *, at: datetime) -> bool:
    """End a run all of whose stages have ended already; tell whether it was such a one."""
    row = session.get_one(RunRow, run_id, with_for_update=True)
    run = load(session, run_id)
    moved = run.settled()
    if moved.state is run.state:
        return False
    row.state, row.finished_at = moved.state, at
    _unstopped(row)
    row.reason, row.code = (moved.culprit.sentence, moved.culprit.code) if moved.culprit else ("", "")
    return True


def start_ready(session: Session, run_id: int, *, at: datetime) -> None:
    """Queue the jobs of the stages whose needs are met."""
    ready = load(session, run_id).ready
    project_id = session.get_one(RunRow, run_id).project_id
    for stage in ready:
        jobs.add(session, jobs.JobKind.STAGE, stage.id, at=at, lane=lanes.lane_of(project_id, stage.lane))


def again(session: Session, run_id: int, names: Collection[str], *, at: datetime, asked: Asked = NOT_ASKED) -> Run:
    """Queue stages of a run that has ended once more, and what was never started because of them; it goes on."""
    row = session.get_one(RunRow, run_id, with_for_update=True)
    moved = load(session, run_id).again(names)
    queued = [stage.id for stage in moved.stages if stage.state is State.QUEUED]
    leave_deployments(session, queued)
    lanes.lose_places(session, queued)
    _put_all(session, moved)
    for stage in _stages(session, run_id):
        if stage.id in queued:
            stage.started_at = stage.finished_at = None
    row.state, row.reason, row.code, row.cancel_requested = moved.state, "", "", False
    if asked.by:
        row.asked_by, row.asked_reason = asked.by, asked.reason
    # Its time is that of its rounds; how long it lay between them says nothing of it.
    if row.started_at is not None and row.finished_at is not None:
        row.earlier_seconds += (row.finished_at - row.started_at).total_seconds()
    row.started_at, row.finished_at = at, None
    session.flush()
    start_ready(session, run_id, at=at)
    return moved


def leave_deployments(session: Session, stage_ids: Collection[int]) -> None:
    """Let stages that are carried out again make another deployment; the one that each has made stays as it ended."""
    if stage_ids:
        mine = DeploymentRow.stage_id.in_(stage_ids) & DeploymentRow.finished_at.is_not(None)
        session.execute(update(DeploymentRow).where(mine).values(stage_id=None))


def request_cancel(session: Session, run_id: int, reason: str) -> None:
    """Ask for a run to stop; its workers see it at their next heartbeat."""
    row = session.get_one(RunRow, run_id)
    row.cancel_requested, row.reason = True, reason
    lanes.leave(session, [run_id])


def begun_before(session: Session, then: datetime) -> list[int]:
    """Return the runs that began before a time, have not ended and have not been asked to."""
    going_on = (RunRow.state == State.RUNNING) & RunRow.finished_at.is_(None) & ~RunRow.cancel_requested
    return list(session.scalars(select(RunRow.id).where(going_on, RunRow.started_at < then).order_by(RunRow.id)))


def locate(session: Session, run_id: int, *, ref: str, revision: str) -> None:
    """Note of which ref and commit a run is that somebody has asked for by a commit's first digits."""
    row = session.get_one(RunRow, run_id)
    row.ref, row.revision, row.before = ref, revision, revision


def approve(session: Session, run_id: int, by: str, *, at: datetime) -> None:
    """Let a stranger's run begin: of this very commit, and of no other."""
    row = session.get_one(RunRow, run_id, with_for_update=True)
    row.state, row.reason, row.approved_by = State.QUEUED, "", by
    session.flush()
    start_ready(session, run_id, at=at)
    for stage in load(session, run_id).ready:
        jobs.allow(session, jobs.JobKind.STAGE, stage.id)


def describe(
    session: Session, run_id: int, *, revision: str, message: str, author: str, config: dict[str, Any]
) -> None:
    """Put what git and the configuration say in place of what the delivery claimed."""
    row = session.get_one(RunRow, run_id)
    row.revision, row.message, row.author, row.config = revision, message, author, config


def config_of(session: Session, project_id: int, ref: str) -> dict[str, Any] | None:
    """Return the configuration of the newest push of a ref that had one.

    What people have run by hand, an older commit perhaps, speaks only where nothing was ever pushed.
    """
    mine = (RunRow.project_id == project_id) & (RunRow.ref == ref) & RunRow.config.is_not(None) & RunRow.trusted
    pushed = case((RunRow.trigger.in_(BY_PUSH), 1), else_=0)
    return session.scalar(select(RunRow.config).where(mine).order_by(pushed.desc(), RunRow.id.desc()).limit(1))


def _save(session: Session, run: Run, outcome: Outcome, *, at: datetime) -> None:
    _put_all(session, run)
    row = session.get_one(RunRow, run.id)
    row.state = run.state
    if run.state.ended:
        row.finished_at = at
        _unstopped(row)
    if run.state.ended and run.state is not State.PASSED:
        culprit = run.culprit
        why = (culprit.sentence, culprit.code) if culprit else (outcome.sentence, outcome.code)
        row.reason, row.code = row.reason or why[0], why[1]


def _put_all(session: Session, run: Run) -> None:
    now = {stage.id: stage for stage in run.stages}
    for stage in _stages(session, run.id):
        _put(stage, now[stage.id])


def _put(row: StageRow, now: Stage) -> None:
    row.state, row.reason, row.code = now.state, now.sentence, now.code
    row.tries, row.flaky = now.tries, now.flaky
    if not now.state.ended:
        row.finished_at = None


def _unstopped(row: RunRow) -> None:
    """Forget that a run was to give way to another, if it came to an end of its own before it could be stopped."""
    if row.superseded_by is not None and row.state not in {State.SUPERSEDED, State.CANCELLED}:
        row.superseded_by, row.cancel_requested, row.reason = None, False, ""


def _stages(session: Session, run_id: int) -> list[StageRow]:
    return list(session.scalars(select(StageRow).where(StageRow.run_id == run_id).order_by(StageRow.position)))


def _stage_row(run_id: int, position: int, planned: PlannedStage) -> StageRow:
    outcome = planned.outcome
    return StageRow(
        run_id=run_id,
        position=position,
        name=planned.name,
        kind=planned.kind,
        needs=list(planned.needs),
        spec=dict(planned.spec),
        title=planned.title,
        retries=planned.retries,
        allow_failure=planned.allow_failure,
        lane=planned.concurrency,
        state=outcome.state if outcome else State.QUEUED,
        reason=outcome.sentence if outcome else "",
        code=outcome.code if outcome else "",
        tail=[],
    )
