"""Where a stage's container runs: nowhere, alone, beside backing services, or with them on one localhost."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import structlog

from pipeline.containers import ContainerSpec
from pipeline.errors import SlipwayError
from workers import backing
from workers.against import facing
from workers.backing import Around
from workers.copies import Copy

LOCALHOST = "127.0.0.1"
NETWORK = "dev.slipway.run"
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
    """Remove what an earlier attempt, whose worker died, has left of this copy."""
    there = copy.scene.ctx.engine.containers(copy.marks())
    mine = [
        one.name for one in there if one.name == copy.name or one.name.startswith((f"{copy.name}.", f"{copy.name}_"))
    ]
    # A holder goes last: whoever shares its name space would lose the network, and say so.
    backing.remove(copy, sorted(mine, key=lambda name: name == _holder(copy)))
    copy.scene.ctx.engine.remove_network(copy.name)


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
        with suppress(SlipwayError):
            copy.scene.ctx.engine.remove_network(copy.name)


@contextmanager
def _held(copy: Copy, around: Around) -> Iterator[Around]:
    """Have a container whose only work is to hold the network name space that all others of the copy share."""
    ctx = copy.scene.ctx
    names = dict.fromkeys(copy.spec.get("services") or (), LOCALHOST)
    holder = ContainerSpec(
        name=_holder(copy),
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


def _holder(copy: Copy) -> str:
    return f"{copy.name}_holder"
