"""Carry one stage through: begin, do what its kind does, record the outcome with what follows from it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from pipeline.deployment import DeploymentState
from pipeline.errors import Cancelled, SlipwayError, StageFailed
from pipeline.outcome import Outcome, State
from pipeline.ports import Transcript
from pipeline.project import Project
from pipeline.stage import Kind
from store import ends, jobs, lanes, messages, projects, runs, stage_work, stops, tested
from store.deployments import end_of_stage
from store.following import claim_next
from workers.context import Context
from workers.progress import Progress
from workers.prune import check_room
from workers.tokens import own


def _nothing(_session: Session) -> None:
    """Record nothing beyond the outcome."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """How a stage ended, and what else to record in the transaction that says so."""

    outcome: Outcome
    record: Callable[[Session], None] = _nothing


def _untold(_text: str) -> None:
    """Tell nobody how far a stage has come."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What a stage's kind works with."""

    ctx: Context
    claim: jobs.Claim
    work: stage_work.StageWork
    project: Project
    transcript: Transcript
    progress: Callable[[str], None] = _untold


BEGUN_AGAIN = "begun again after its worker died"
KindOfWork = Callable[[Scene], Done]


def carry(ctx: Context, claim: jobs.Claim, kinds: dict[Kind, KindOfWork]) -> jobs.Claim | None:
    """Do a stage's job to its end, and return the claim on the stage to go on with, if there is one."""
    begun = _begin(ctx, claim)
    if begun is None:
        return None
    work, project = begun
    secrets = tuple(own(ctx, project))
    transcript = ctx.transcripts.open(work.run_id, work.stage.name, work.attempt)
    transcript.hide(secrets)
    try:
        scene = Scene(
            ctx=ctx,
            claim=claim,
            work=work,
            project=project,
            transcript=transcript,
            progress=Progress(ctx, work, transcript),
        )
        if work.stage.sentence == BEGUN_AGAIN:
            transcript.write(f"The worker of attempt {work.attempt - 1} died. {BEGUN_AGAIN.capitalize()}.")
        done = _do(scene, kinds)
        return _end(ctx, claim, work, done)
    finally:
        transcript.close()


def give_up(ctx: Context, session: Session, claim: jobs.Claim, fault: SlipwayError) -> None:
    """End a stage that Slipway could not carry out: an error, not the project's failure."""
    work = stage_work.work(session, claim.ref_id)
    if work.stage.state.ended:
        return
    tail = ctx.transcripts.tail(work.run_id, work.stage.name, 20)
    outcome = Outcome(state=State.ERROR, sentence=fault.sentence, code=fault.code, tail=tail)
    _end_deployment(ctx, session, work, DeploymentState.ERROR, outcome)
    _record(ctx, session, work, outcome)


def retry(ctx: Context, session: Session, claim: jobs.Claim, sentence: str) -> None:
    """Say on the run why a stage waits to be tried again."""
    work = stage_work.work(session, claim.ref_id)
    runs.wait(session, claim.ref_id, sentence)
    messages.touch(session, "run", work.run_id, channel=ctx.channel, at=ctx.now())


def _begin(ctx: Context, claim: jobs.Claim) -> tuple[stage_work.StageWork, Project] | None:
    with ctx.database.begin() as session:
        jobs.renew(session, claim)
        runs.lock(session, claim.ref_id)
        work = stage_work.work(session, claim.ref_id)
        if work.stage.state.ended or work.run_state.ended:
            jobs.finish(session, claim)
            ends.leave(session, claim.ref_id, f"{work.stage.name} ended without it", at=ctx.now())
            return None
        serves = work.stage.kind is Kind.DEPLOY and ends.serves(session, claim.ref_id)
        stop = None if serves else stops.asked(session, claim.ref_id)
        if stop:
            jobs.finish(session, claim)
            ends.leave(session, claim.ref_id, stop.sentence, at=ctx.now())
            _record(ctx, session, work, stop)
            return None
        if not work.may_begin:
            jobs.put_back(session, claim, delay=jobs.NEVER, counts=False)
            return None
        if work.stage.lane and lanes.rejoin(session, claim.id, lanes.lane_of(work.project_id, work.stage.lane)):
            # It left its lane to end, and now it does not.
            jobs.put_back(session, claim, delay=0.0, counts=False)
            return None
        runs.begin(session, claim.ref_id, at=ctx.now(), note=BEGUN_AGAIN if _died(claim, work) else "")
        messages.touch(session, "run", work.run_id, channel=ctx.channel, at=ctx.now())
        return stage_work.work(session, claim.ref_id), projects.get(session, work.project_id)


def _died(claim: jobs.Claim, work: stage_work.StageWork) -> bool:
    """Tell whether a worker had begun the stage, and neither ended it nor put it back."""
    return claim.taken_over and work.stage.state is State.RUNNING


def _do(scene: Scene, kinds: dict[Kind, KindOfWork]) -> Done:
    try:
        _keep_secrets(scene)
        check_room(scene.ctx, scene.work.stage.kind)
        return kinds[scene.work.stage.kind](scene)
    except StageFailed as failure:
        scene.transcript.write(failure.sentence)
        state = State.CANCELLED if failure.code == "ref_gone" else State.FAILED
        tail = scene.transcript.masked_lines(failure.tail)
        sentence = scene.transcript.masked(failure.sentence)
        return Done(outcome=Outcome(state=state, sentence=sentence, code=failure.code, tail=tail))
    except Cancelled:
        with scene.ctx.database.read() as session:
            stop = stops.asked(session, scene.work.stage.id)
        return Done(outcome=stop or Outcome(state=State.CANCELLED, sentence="by a person", code="cancelled"))
    except SlipwayError as fault:
        # Whoever says on the run why it waits or ends knows no secrets any more.
        fault.sentence, fault.fix = scene.transcript.masked(fault.sentence), scene.transcript.masked(fault.fix)
        fault.args = (fault.sentence,)
        raise


def _keep_secrets(scene: Scene) -> None:
    """Refuse a stage that names secrets to a stranger's run. Raises StageFailed."""
    named = scene.work.spec.get("secrets") or ()
    if named and not scene.work.trusted:
        sentence = f"{scene.work.stage.name} needs the secret {named[0]}, and what comes from a fork gets none"
        raise StageFailed(sentence, code="no_secrets_for_forks")


def _end(ctx: Context, claim: jobs.Claim, work: stage_work.StageWork, done: Done) -> jobs.Claim | None:
    with ctx.database.begin() as session:
        if work.stage.kind is Kind.SOURCE:
            # It may change the project; whoever takes in a push locks that before runs as well.
            projects.current(session, {work.project_id})
        jobs.finish(session, claim)
        runs.lock(session, work.stage.id)
        done.record(session)
        _record(ctx, session, work, done.outcome)
        return None if ctx.leaving.is_set() else claim_next(session, claim)


def _end_deployment(
    ctx: Context, session: Session, work: stage_work.StageWork, state: DeploymentState, outcome: Outcome
) -> None:
    end_of_stage(session, work.stage.id, state, reason=outcome.sentence, code=outcome.code, at=ctx.now())


def _record(ctx: Context, session: Session, work: stage_work.StageWork, outcome: Outcome) -> None:
    if work.stage.sentence == BEGUN_AGAIN and outcome.state is State.PASSED:
        outcome = replace(outcome, sentence=": ".join(filter(None, (BEGUN_AGAIN, outcome.sentence))))
    moved = runs.end(session, work.stage.id, outcome, at=ctx.now())
    tested.mark(session, work, moved, at=ctx.now())
    messages.touch(session, "run", work.run_id, channel=ctx.channel, at=ctx.now())
