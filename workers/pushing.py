"""A push to the registry: tried again by itself while the registry is away, and explained if it stays so."""

from collections.abc import Callable
from itertools import chain

from pipeline.errors import Cancelled, Unavailable
from pipeline.ports import Line
from workers.context import Context

PAUSES = (1.0, 3.0, 8.0)
TICK = 0.25


def push(ctx: Context, reference: str, line: Line, stop: Callable[[], bool]) -> str:
    """Push a tagged image and return its digest. Raises RegistryForbidden, Unavailable, Cancelled.

    What was built stays on the engine: it is only the push that is tried again.
    """
    for pause in chain(PAUSES, (None,)):
        try:
            return ctx.engine.push(reference, line)
        except Unavailable as fault:
            if fault.code != "registry_unavailable":
                raise
            # The engine passes on a registry's words and no code of its own: whether we may is asked directly.
            _explain(ctx, reference)
            if pause is None:
                raise
            line(f"{fault.sentence}; trying again in {pause:g} s")
            _wait(ctx, pause, stop)
    raise AssertionError("the last try returns or raises")


def _explain(ctx: Context, reference: str) -> None:
    """Raise RegistryForbidden if that is why; that the registry is away is known already."""
    try:
        ctx.registry.check_push(reference.rpartition(":")[0])
    except Unavailable:
        return


def _wait(ctx: Context, seconds: float, stop: Callable[[], bool]) -> None:
    waited = 0.0
    while waited < seconds:
        if stop():
            raise Cancelled("the push was stopped because the run was cancelled")
        ctx.stopping.wait(TICK)
        waited += TICK
