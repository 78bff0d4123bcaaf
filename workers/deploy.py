"""Deployments that runs and people ask for: whether they may happen, and what is recorded when they have."""

from functools import partial

from sqlalchemy.orm import Session

from pipeline import spec as spec_file
from pipeline.deployment import Cause, DeploymentState, Release
from pipeline.errors import Overtaken, SlipwayError, StageFailed, Unavailable
from pipeline.names import deployment_name, host_names, run_name, short
from pipeline.outcome import passed, skipped
from pipeline.release import release_of
from pipeline.spec_beside import undeployed_to
from store import deployments, environments, images, jobs, messages
from store.deployments import Asked, Deployment
from store.environments import Environment
from workers.context import Context
from workers.order import check_order
from workers.rollout import carry_out, place_of
from workers.stage import Done, Scene


def stage(scene: Scene) -> Done:
    """Deploy a run's images to the environment its stage names, unless that is not for this run to do."""
    ctx = scene.ctx
    if not scene.work.trusted:
        raise StageFailed("what comes from a fork is deployed nowhere", code="no_deploys_for_forks")
    with ctx.database.begin() as session:
        environment = environments.ensure(session, scene.project.id, scene.work.spec["to"], at=ctx.now())
        why_not = _pinned(environment)
        if why_not:
            return Done(outcome=skipped(*why_not), record=lambda session: _leave(ctx, session, scene, *why_not))
        deployment_id = deployments.create(session, _asked(session, scene, environment), at=ctx.now())
    for warning in undeployed_to(spec_file.from_json(scene.work.config or {}), scene.work.spec["to"]):
        scene.transcript.write(f"warning: {warning}")
    try:
        deployment = carry_out(ctx, scene.claim, deployment_id, scene.transcript.write, partial(check_order, scene))
    except Overtaken as newer:
        why = (newer.sentence, newer.code)
        scene.transcript.write(newer.sentence)
        return Done(outcome=skipped(*why), record=lambda session: _leave(ctx, session, scene, *why))
    urls = " ".join(addresses(ctx, deployment))

    def record(session: Session) -> None:
        _deployed(ctx, session, scene.claim, deployment)

    return Done(outcome=passed(f"{deployment_name(deployment_id)} · {urls}"), record=record)


def handle(ctx: Context, claim: jobs.Claim) -> None:
    """Carry out a deployment that a person asked for."""
    with ctx.database.begin() as session:
        jobs.renew(session, claim)
        if deployments.get(session, claim.ref_id).state.ended:
            jobs.finish(session, claim)
            return
        _touch(ctx, session, claim.ref_id)
    try:
        deployment = carry_out(ctx, claim, claim.ref_id, lambda _line: None)
    except StageFailed:
        with ctx.database.begin() as session:
            jobs.finish(session, claim)
            _touch(ctx, session, claim.ref_id)
        return
    except Overtaken as newer:
        with ctx.database.begin() as session:
            jobs.finish(session, claim)
            why = {"reason": newer.sentence, "code": newer.code}
            if not deployments.get(session, claim.ref_id).state.ended:
                deployments.end(session, claim.ref_id, DeploymentState.SUPERSEDED, at=ctx.now(), **why)
            _touch(ctx, session, claim.ref_id)
        return
    with ctx.database.begin() as session:
        jobs.finish(session, claim)
        _deployed(ctx, session, claim, deployment)
        _touch(ctx, session, claim.ref_id)


def give_up(ctx: Context, session: Session, claim: jobs.Claim, fault: SlipwayError) -> None:
    """End a deployment that Slipway could not carry out; what served before still serves."""
    deployment = deployments.get(session, claim.ref_id)
    if not deployment.state.ended:
        deployments.end(
            session, deployment.id, DeploymentState.ERROR, reason=fault.sentence, code=fault.code, at=ctx.now()
        )
    environments.release(session, deployment.environment_id, claim)
    jobs.add(session, jobs.JobKind.MEND, deployment.environment_id, at=ctx.now())
    _touch(ctx, session, deployment.id)


def addresses(ctx: Context, deployment: Deployment) -> tuple[str, ...]:
    """Return where a deployment's services answer, by the names a browser on this machine needs no set-up for."""
    place = place_of(ctx, deployment)
    return tuple(
        f"http://{host}:{ctx.proxy_port}"
        for release in deployment.releases
        for host in host_names(
            service=release.service, environment=place.environment, project=place.project, domains=ctx.domains[-1:]
        )
    )


def _pinned(environment: Environment) -> tuple[str, str] | None:
    """Return why no push may deploy here, as a sentence and a code; None if it may."""
    if not environment.pinned:
        return None
    why = f": {environment.pin_reason}" if environment.pin_reason else ""
    sentence = f"{environment.name} is pinned by {environment.pinned_by}{why}; `resume {environment.name}` lets it go"
    return sentence, "pinned"


def _asked(session: Session, scene: Scene, environment: Environment) -> Asked:
    spec = spec_file.from_json(scene.work.config or {})
    wanted = scene.work.spec["services"]
    live = deployments.live(session, environment.id)
    kept = {release.service: release for release in (live.releases if live else ())}
    releases = [
        _release(session, scene, name, service) if name in wanted else kept.get(name)
        for name, service in spec.services.items()
    ]
    return Asked(
        project_id=scene.project.id,
        environment_id=environment.id,
        releases=tuple(release for release in releases if release),
        cause=Cause.PUSH,
        actor=run_name(scene.work.run_id),
        run_id=scene.work.run_id,
        stage_id=scene.work.stage.id,
        named=None if set(wanted) >= set(spec.services) else frozenset(wanted),
    )


def _release(session: Session, scene: Scene, name: str, service: spec_file.Service) -> Release:
    image = images.find(session, scene.project.id, name, scene.work.revision)
    if image is None:
        raise Unavailable(f"{name} at {short(scene.work.revision)} has no image", code="image_lost")
    return release_of(service, image, images.port(session, scene.project.id, name, scene.work.revision))


def _leave(ctx: Context, session: Session, scene: Scene, sentence: str, code: str) -> None:
    """End the deployment that this stage had begun and may not go on with; what it had started is swept up."""
    why = {"reason": sentence, "code": code}
    deployments.end_of_stage(session, scene.work.stage.id, DeploymentState.SUPERSEDED, at=ctx.now(), **why)
    environment = environments.find(session, scene.project.id, scene.work.spec["to"])
    if environment:
        environments.release(session, environment.id, scene.claim)
        jobs.add(session, jobs.JobKind.MEND, environment.id, at=ctx.now())


def _deployed(ctx: Context, session: Session, claim: jobs.Claim, deployment: Deployment) -> None:
    deployments.end(session, deployment.id, DeploymentState.DEPLOYED, at=ctx.now())
    environments.release(session, deployment.environment_id, claim)
    jobs.add(session, jobs.JobKind.MEND, deployment.environment_id, at=ctx.now())


def _touch(ctx: Context, session: Session, deployment_id: int) -> None:
    messages.touch(session, "deployment", deployment_id, channel=ctx.channel, at=ctx.now())
