"""Where a stage's container runs: nowhere, alone, beside backing services, or with them on one localhost."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import structlog

from pipeline.containers import ContainerSpec, labels
from pipeline.errors import SlipwayError
from pipeline.names import run_name
from workers import backing
from workers.against import facing
from workers.backing import Around
from workers.copies import Copy

LOCALHOST = "127.0.0.1"
# What outlives any stage, so that a holder never ends before what it holds.
FOREVER = ("sleep", "2147483647")
log = structlog.get_logger()


@contextmanager
def surroundings(copy: Copy) -> Iterator[Around]:
    """Have all that a copy's container needs around it inside the block; nothing of it is left afterwards."""
    if copy.spec.get("network") == "none":
        yield Around()
        return
    with ExitStack() as stack:
        network = _shared(copy) or stack.enter_context(_own(copy))
        outside = stack.enter_context(facing(copy, network))
        around = Around(network=network, hosts=outside.hosts, env=outside.env)
        if copy.spec.get("network") == "localhost":
            around = stack.enter_context(_held(copy, around))
        stack.enter_context(backing.backing(copy, around))
        yield around


def sweep(copy: Copy) -> None:
    """Remove what earlier attempts, whose workers died, have left of this copy."""
    ctx, work = copy.scene.ctx, copy.scene.work
    there = ctx.engine.containers(labels(ctx.home, run=run_name(work.run_id), stage=work.stage.name))
    for earlier in copy.earlier:
        mine = [
            one.name for one in there if one.name in {earlier, _holder(earlier)} or one.name.startswith(f"{earlier}.")
        ]
        # A holder goes last: whoever shares its name space would lose the network, and say so.
        backing.remove(copy, sorted(mine, key=_holder(earlier).__eq__))
        ctx.engine.remove_network(earlier)


def _shared(copy: Copy) -> str | None:
    """Return the network that costs nothing, if the copy needs nobody in its reach and this engine has it."""
    needs = copy.spec.get("services") or copy.spec.get("against") or copy.spec.get("network") == "localhost"
    return None if needs else copy.scene.ctx.engine.network_alone()


@contextmanager
def _own(copy: Copy) -> Iterator[str]:
    """A network of the copy's own, so that nobody else's containers are in reach; gone afterwards."""
    containers = len(copy.spec.get("services") or ()) + 2
    copy.scene.ctx.engine.network(copy.name, copy.marks(), containers=containers)
    try:
        yield copy.name
    finally:
        try:
            copy.scene.ctx.engine.remove_network(copy.name)
        except SlipwayError as fault:
            # How the stage ended counts; what is left over is swept up by its label.
            log.warning("network_left_behind", network=copy.name, detail=fault.sentence)


@contextmanager
def _held(copy: Copy, around: Around) -> Iterator[Around]:
    """Have a container whose only work is to hold the network name space that all others of the copy share."""
    ctx = copy.scene.ctx
    names = dict.fromkeys(copy.spec.get("services") or (), LOCALHOST)
    holder = ContainerSpec(
        name=_holder(copy.name),
        image=ctx.engine.holder_image(),
        command=FOREVER,
        labels=copy.marks(),
        network=around.network,
        hosts={**around.hosts, **names},
        memory=ctx.memory,
    )
    try:
        ctx.engine.start(holder)
        yield Around(joins=holder.name, env=around.env)
    finally:
        backing.remove(copy, [holder.name])


def _holder(name: str) -> str:
    return f"{name}_holder"
