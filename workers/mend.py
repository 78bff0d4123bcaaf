"""Mend an environment: what should serve serves, what has drained goes, what nobody knows is removed."""

from pipeline.deployment import InstanceState
from store import deployments, instances, jobs
from store.deployments import Deployment
from store.instances import Instance
from workers.context import Context
from workers.picture import show
from workers.rollout import GRACE, Cast, Place, container_name, place_of, start_container

DRAIN_LOOK = 0.25


def handle(ctx: Context, claim: jobs.Claim) -> None:
    """Look at an environment's containers and bring them to what SQL says; the same after a crash as in normal life."""
    draining = _retire(ctx, claim)
    _sweep(ctx, claim.ref_id)
    _revive(ctx, claim)
    with ctx.database.begin() as session:
        if draining:
            jobs.put_back(session, claim, delay=DRAIN_LOOK, counts=False)
        else:
            jobs.finish(session, claim)


def _revive(ctx: Context, claim: jobs.Claim) -> None:
    """Start what should serve and does not run, and follow containers whose address has changed."""
    with ctx.database.read() as session:
        live = instances.everyone(session, InstanceState.LIVE, environment_id=claim.ref_id)
        owners = {one.deployment_id: deployments.get(session, one.deployment_id) for one in live}
    moved = [one for one in live if _follow(ctx, claim, owners[one.deployment_id], one)]
    if moved:
        show(ctx)


def _follow(ctx: Context, claim: jobs.Claim, deployment: Deployment, instance: Instance) -> bool:
    state = ctx.engine.look(container_name(ctx, instance))
    address = state.address if state and state.running else ""
    if address and address == instance.address:
        return False
    address = address or _start_again(ctx, place_of(ctx, deployment), deployment, instance)
    with ctx.database.begin() as session:
        jobs.renew(session, claim)
        instances.set_address(session, instance.id, address)
    return True


def _start_again(ctx: Context, place: Place, deployment: Deployment, instance: Instance) -> str:
    release = next(one for one in deployment.releases if one.service == instance.service)
    return start_container(ctx, place, deployment, Cast(release=release, instance=instance))


def _retire(ctx: Context, claim: jobs.Claim) -> bool:
    """Take away what has no requests left or has had its time; return whether some still drain."""
    with ctx.database.read() as session:
        draining = instances.everyone(session, InstanceState.DRAINING, environment_id=claim.ref_id)
        unwanted = instances.left_over(session, claim.ref_id)
    if draining:
        # First of all the proxy must know: until it does, none of them is idle for good.
        show(ctx)
    drained = [one for one in draining if one.overdue or ctx.proxy.sessions(one.route_id, one.server) == 0]
    if drained or unwanted:
        with ctx.database.begin() as session:
            jobs.renew(session, claim)
            instances.gone(session, [one.id for one in drained + unwanted])
    if drained:
        show(ctx)
    return len(drained) < len(draining)


def _sweep(ctx: Context, environment_id: int) -> None:
    """Remove the containers of instances that are gone; the label says which instance a container is."""
    with ctx.database.read() as session:
        project, environment = deployments.place(session, environment_id)
    # Containers first: an instance is in SQL before its container is there, so none that is wanted can be missed.
    there = ctx.engine.containers({"dev.slipway.project": project, "dev.slipway.environment": environment})
    with ctx.database.read() as session:
        known = {str(one.id) for one in instances.everyone(session, *KEPT, environment_id=environment_id)}
    for container in there:
        instance = container.labels.get("dev.slipway.instance")
        if instance is not None and instance not in known:
            ctx.engine.remove(container.name, grace=GRACE)


KEPT = (InstanceState.STARTING, InstanceState.LIVE, InstanceState.DRAINING)
