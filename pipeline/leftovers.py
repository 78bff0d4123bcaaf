"""What is left over on the engine: things of this home that nothing under way and nothing that serves needs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

RUN, STAGE, INSTANCE = "dev.slipway.run", "dev.slipway.stage", "dev.slipway.instance"
PROJECT, ENVIRONMENT, SERVICE = "dev.slipway.project", "dev.slipway.environment", "dev.slipway.service"
# What the database does not know may have been made by something that is about to tell it.
UNKNOWN_SECONDS = 60.0
# What says of nothing whose it is may be somebody's work by hand.
NAMELESS_SECONDS = 3600.0


class Thing(StrEnum):
    """What kind of thing is left over."""

    CONTAINER = "container"
    NETWORK = "network"
    VOLUME = "volume"


@dataclass(frozen=True, kw_only=True, slots=True)
class Owned:
    """A thing on the engine that carries this home's label; `age` in seconds."""

    kind: Thing
    id: str
    name: str
    age: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the database says, read after the engine was asked.

    `ended` are the runs that have ended; of the others `open_stages` are the stages that have not. `instances` are
    those that start, serve or drain; `environments` are (project, environment), `services` (project, service) of which
    there is an image.
    """

    ended: frozenset[str] = frozenset()
    open: frozenset[str] = frozenset()
    open_stages: frozenset[tuple[str, str]] = frozenset()
    instances: frozenset[str] = frozenset()
    environments: frozenset[tuple[str, str]] = frozenset()
    services: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Orphan:
    """A thing that is to go, and why."""

    owned: Owned
    why: str


def orphans(there: Iterable[Owned], known: Known) -> Iterator[Orphan]:
    """Yield what is left over, containers first: a network goes only after what is on it."""
    order = list(Thing)
    for owned in sorted(there, key=lambda one: (order.index(one.kind), one.name)):
        why = _why(owned, known)
        if why:
            yield Orphan(owned=owned, why=why)


def _why(owned: Owned, known: Known) -> str | None:
    """Return why a thing is to go; None if it stays."""
    labels = owned.labels
    if INSTANCE in labels:
        gone = labels[INSTANCE] not in known.instances
        return f"i{labels[INSTANCE]} neither serves nor starts" if gone else None
    if labels.get(RUN):
        return _why_of_run(owned, known)
    if ENVIRONMENT in labels:
        place = (labels.get(PROJECT, ""), labels[ENVIRONMENT])
        return f"nobody knows {'/'.join(place)}" if place not in known.environments and _old(owned) else None
    if owned.kind is Thing.VOLUME and SERVICE in labels:
        service = (labels.get(PROJECT, ""), labels[SERVICE])
        idle = service not in known.services and owned.age >= NAMELESS_SECONDS
        return f"{'/'.join(service)} is not built any more" if idle else None
    lost = owned.kind is Thing.CONTAINER and owned.age >= NAMELESS_SECONDS
    return "it does not say whose it is" if lost else None


def _why_of_run(owned: Owned, known: Known) -> str | None:
    run, stage = owned.labels[RUN], owned.labels.get(STAGE)
    if run in known.ended:
        return f"{run} has ended"
    if run not in known.open:
        return f"nobody knows {run}" if _old(owned) else None
    if stage and (run, stage) not in known.open_stages:
        return f"{stage} of {run} has ended"
    return None


def _old(owned: Owned) -> bool:
    return owned.age >= UNKNOWN_SECONDS
