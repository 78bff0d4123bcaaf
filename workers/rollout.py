"""One deployment as a story: start new → healthy → switch → show; a failure before the switch touches nothing old."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from pipeline.containers import ContainerSpec, environment_variables, labels
from pipeline.deployment import DeploymentState, Release
from pipeline.errors import Busy, Cancelled, Overtaken, SlipwayError, StageFailed
from pipeline.health import pauses
from pipeline.names import deployment_name, host_names, run_name, short, slug, variable
from pipeline.pieces import led
from store import deployments, environments, instances, jobs, projects
from store.deployments import Deployment
from store.instances import Instance
from workers.context import Context
from workers.picture import show

LOOK_SECONDS = 0.25
TAIL = 20
GRACE = 5

Say = Callable[[str], None]
Allow = Callable[[Deployment, Deployment | None], None]


def _anything(_deployment: Deployment, _live: Deployment | None) -> None:
    """Let a deployment replace whatever serves: a person wants it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a deployment happens."""

    project_id: int
    project: str
    environment_id: int
    environment: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Cast:
    """One release and the container that plays it."""

    release: Release
    instance: Instance


def carry_out(ctx: Context, claim: jobs.Claim, deployment_id: int, say: Say, allow: Allow = _anything) -> Deployment:
    """Bring a deployment to where it serves; twice is the same as once. Raises StageFailed, Busy, Unavailable.

    Until it serves it can be called off, which raises Cancelled.
    `allow` is shown the deployment and what serves, when its turn has come, and raises Overtaken if it may not go on.
    """
    deployment, live = _take_turn(ctx, claim, deployment_id)
    allow(deployment, live)
    place, casts = _prepare(ctx, claim, deployment)
    try:
        for cast in casts:
            _check_wanted(ctx, live, deployment)
            say(f"starting {cast.release.service} {short(cast.release.revision)} as i{cast.instance.id}")
            _start(ctx, place, deployment, cast)
        for cast in casts:
            _wait_until_healthy(ctx, cast, say, lambda: _check_wanted(ctx, live, deployment))
    except (StageFailed, Cancelled) as end:
        _abandon(ctx, claim, deployment, end, say)
        raise
    _switch(ctx, claim, deployment, place, live)
    show(ctx)
    _tag(ctx, place, deployment)
    say(f"{deployment_name(deployment.id)}: requests go to the new containers")
    return deployment


def container_spec(ctx: Context, place: Place, deployment: Deployment, cast: Cast) -> ContainerSpec:
    """Return how an instance runs; the same each time it is asked, so that starting it again is no other container."""
    release = cast.release
    run = run_name(deployment.run_id) if deployment.run_id else ""
    where = {"service": release.service, "environment": place.environment, "run_id": run}
    known = environment_variables(project=place.project, revision=release.revision, **where)
    return ContainerSpec(
        name=container_name(ctx, cast.instance),
        image=release.image,
        command=release.command,
        env=dict(release.env)
        | known
        | {f"SLIPWAY_URL_{variable(one.service)}": f"http://{one.service}:{one.port}" for one in deployment.releases},
        labels=labels(
            ctx.home,
            project=place.project,
            service=release.service,
            revision=release.revision,
            environment=place.environment,
            deployment=deployment_name(deployment.id),
            instance=str(cast.instance.id),
        ),
        network=network_name(ctx, place),
        aliases=(release.service,),
        keep_running=True,
        memory=ctx.memory,
    )


def container_name(ctx: Context, instance: Instance) -> str:
    """Return the name of an instance's container."""
    return f"slipway-{ctx.home}-i{instance.id}"


def network_name(ctx: Context, place: Place) -> str:
    """Return the name of an environment's network."""
    return f"slipway-{ctx.home}-e{place.environment_id}"


def start_container(ctx: Context, place: Place, deployment: Deployment, cast: Cast) -> str:
    """Start an instance's container, or adopt the one that runs, and return its address."""
    marks = labels(ctx.home, project=place.project, environment=place.environment)
    ctx.engine.network(network_name(ctx, place), marks)
    return ctx.engine.start(container_spec(ctx, place, deployment, cast)).address


def place_of(ctx: Context, deployment: Deployment) -> Place:
    """Return where a deployment happens."""
    with ctx.database.read() as session:
        project = projects.get(session, deployment.project_id)
        environment = environments.get(session, deployment.environment_id)
    return Place(
        project_id=project.id, project=project.name, environment_id=environment.id, environment=environment.name
    )


def _take_turn(ctx: Context, claim: jobs.Claim, deployment_id: int) -> tuple[Deployment, Deployment | None]:
    """Hold the environment and return the deployment, brought up to what serves there, and what that is."""
    with ctx.database.begin() as session:
        jobs.renew(session, claim)
        deployment = deployments.get(session, deployment_id)
        environments.hold(session, deployment.environment_id, claim)
        _check_turn(session, deployment)
        return deployments.rebase(session, deployment), deployments.live(session, deployment.environment_id)


def _prepare(ctx: Context, claim: jobs.Claim, deployment: Deployment) -> tuple[Place, list[Cast]]:
    with ctx.database.begin() as session:
        jobs.renew(session, claim)
        deployments.step(session, deployment.id, "start", "starting the new containers", at=ctx.now())
        casts = []
        for release in deployment.releases:
            route_id = instances.ensure_route(session, deployment.environment_id, release.service)
            instance = instances.ensure(session, deployment.id, route_id, release, at=ctx.now())
            casts.append(Cast(release=release, instance=instance))
    return place_of(ctx, deployment), casts


def _check_turn(session: Session, deployment: Deployment) -> None:
    """Deployments to an environment happen in the order they were asked for, each at most once."""
    if deployment.state is DeploymentState.FAILED:
        raise StageFailed(deployment.reason, code=deployment.code)
    live = deployments.live(session, deployment.environment_id)
    if deployment.state.ended and (live is None or live.id != deployment.id):
        raise Overtaken(f"{deployment_name(deployment.id)} has ended already: {deployment.state}")
    if live and live.id > deployment.id:
        raise Overtaken(f"{deployment_name(live.id)} was asked for later and serves already")
    before = deployments.earlier(session, deployment)
    if before:
        raise Busy(f"{deployment_name(before)} was asked for earlier and comes first")


def _start(ctx: Context, place: Place, deployment: Deployment, cast: Cast) -> None:
    address = start_container(ctx, place, deployment, cast)
    with ctx.database.begin() as session:
        instances.set_address(session, cast.instance.id, address)


def _check_wanted(ctx: Context, live: Deployment | None, deployment: Deployment) -> None:
    """Raise Cancelled if it was called off; what serves already is not."""
    if ctx.stopping.is_set() and (live is None or live.id != deployment.id):
        raise Cancelled(f"{deployment_name(deployment.id)} was called off before it served")


def _wait_until_healthy(ctx: Context, cast: Cast, say: Say, check: Callable[[], None]) -> None:
    """Probe from outside until it answers well often enough in a row; a container that stops ends the wait."""
    health, name = cast.release.health, container_name(ctx, cast.instance)
    with ctx.database.read() as session:
        address = instances.address(session, cast.instance.id)
    began = looked = time.monotonic()
    good = 0
    for pause in pauses():
        check()
        problem = ctx.probe(address, cast.release.port, health.path, health.timeout)
        good = 0 if problem else good + 1
        now = time.monotonic()
        if good >= health.rise:
            say(f"{cast.release.service} is healthy after {now - began:.1f} s")
            return
        if now - looked > LOOK_SECONDS:
            looked = now
            _check_running(ctx, cast)
        if now - began > health.within:
            raise StageFailed(
                f"{cast.release.service} was not healthy within {health.within:g} s: {problem}",
                code="unhealthy",
                tail=ctx.engine.tail(name, TAIL),
            )
        time.sleep(pause)


def _check_running(ctx: Context, cast: Cast) -> None:
    name = container_name(ctx, cast.instance)
    state = ctx.engine.look(name)
    if state is None or not state.running:
        code = state.exit_code if state else None
        raise StageFailed(
            f"{cast.release.service} stopped with exit code {code} before it was healthy",
            code="stopped",
            tail=ctx.engine.tail(name, TAIL),
        )


def _switch(ctx: Context, claim: jobs.Claim, deployment: Deployment, place: Place, allowed: Deployment | None) -> None:
    """Make the new containers serve in place of what was looked at when this was allowed, and of nothing else."""
    with ctx.database.begin() as session:
        jobs.renew(session, claim)
        environments.hold(session, deployment.environment_id, claim)
        live = deployments.live(session, deployment.environment_id)
        if live and live.id not in {deployment.id, allowed.id if allowed else None}:
            raise Busy(f"{deployment_name(live.id)} has begun to serve meanwhile; looking again")
        drains = {release.service: release.drain for release in (live.releases if live else ())}
        instances.switch(session, deployment.id, drains)
        instances.lead(
            session, place.environment_id, {one.service: _hosts(ctx, place, one) for one in deployment.releases}
        )
        deployments.step(session, deployment.id, "switch", "sending requests to the new containers", at=ctx.now())


def _hosts(ctx: Context, place: Place, release: Release) -> tuple[str, ...]:
    return host_names(
        service=release.service,
        environment=place.environment,
        project=place.project,
        domains=ctx.domains,
        main=release.main,
    )


def _tag(ctx: Context, place: Place, deployment: Deployment) -> None:
    """Point the environment's tag at what serves there now."""
    for release in deployment.releases:
        reference = f"{release.image.partition('@')[0]}:{slug(place.environment)}"
        ctx.engine.tag(release.image, reference)
        ctx.engine.push(reference, lambda _line: None)


def _abandon(ctx: Context, claim: jobs.Claim, deployment: Deployment, end: SlipwayError, say: Say) -> None:
    for line in end.tail if isinstance(end, StageFailed) else ():
        say(led("  ", line))
    with ctx.database.begin() as session:
        jobs.renew(session, claim)
        never_served = instances.abandon(session, deployment.id)
    for instance in never_served:
        ctx.engine.remove(container_name(ctx, instance), grace=GRACE)
    with ctx.database.begin() as session:
        jobs.renew(session, claim)
        instances.gone(session, [instance.id for instance in never_served])
        deployments.end(
            session,
            deployment.id,
            DeploymentState.FAILED if isinstance(end, StageFailed) else DeploymentState.SUPERSEDED,
            reason=end.sentence,
            code=end.code,
            at=ctx.now(),
        )
        environments.release(session, deployment.environment_id, claim)
