"""Backing services: containers started fresh for one copy of a stage, ready before it begins, gone after it."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import structlog

from pipeline.containers import ContainerSpec
from pipeline.errors import SlipwayError, StageFailed
from pipeline.pieces import led
from pipeline.ports import ImageFacts
from store import images
from workers.copies import Copy
from workers.outsiders import check_image
from workers.ready import Waited, wait_ready

LAST_LINES = 20
AT_ONCE = 4
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Around:
    """What a copy's containers stand in: a network of their own, or the name space of a holder that they join."""

    network: str | None = None
    joins: str = ""
    hosts: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def backing(copy: Copy, around: Around) -> Iterator[None]:
    """Have every backing service ready inside the block, each after those it depends on. Raises StageFailed."""
    services: Mapping[str, Any] = copy.spec.get("services") or {}
    found = {name: _image(copy, name, service) for name, service in services.items()}
    _check_ports(copy, around, services, {name: facts for name, (_, facts) in found.items()})
    try:
        _start(copy, around, services, found)
        yield
    finally:
        remove(copy, [copy.backing(name) for name in services])


def tell(copy: Copy) -> None:
    """Write the last lines of every backing service, under its name."""
    for name in copy.spec.get("services") or {}:
        with suppress(SlipwayError):
            lines = copy.scene.ctx.engine.tail(copy.backing(name), LAST_LINES)
            copy.write(f"— the last lines of {name} —" if lines else f"— {name} wrote nothing —")
            for line in lines:
                copy.write(led(f"{name} | ", line))


def died(copy: Copy) -> StageFailed | None:
    """Return what to say if a backing service has ended while it was needed."""
    for name in copy.spec.get("services") or {}:
        state = copy.scene.ctx.engine.look(copy.backing(name))
        if state is None or not state.running:
            how = "is gone" if state is None else f"exited with {state.exit_code}"
            tail = copy.scene.ctx.engine.tail(copy.backing(name), LAST_LINES)
            return StageFailed(f"{name} {how} during the test", code="backing_died", tail=tail)
    return None


def remove(copy: Copy, names: list[str]) -> None:
    """Remove containers; what cannot be removed now is found by its labels later, and is not the stage's fault."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, fault in zip(names, pool.map(lambda name: _removed(copy, name), names), strict=True):
            if fault:
                log.warning("container_left_behind", container=name, detail=fault.sentence)


def _start(
    copy: Copy, around: Around, services: Mapping[str, Any], found: Mapping[str, tuple[str, ImageFacts]]
) -> None:
    ready: set[str] = set()
    begun: dict[str, float] = {}

    def await_ready(name: str) -> None:
        if name in begun and name not in ready:
            facts = found[name][1]
            waited = Waited(name=name, service=services[name], exposed=facts.port, began=begun[name])
            wait_ready(copy, waited, joined=around.joins)
            ready.add(name)

    for name in _ordered(services):
        for earlier in services[name].get("depends_on") or ():
            await_ready(earlier)
        copy.check_stop()
        begun[name] = time.monotonic()
        copy.scene.ctx.engine.start(_container(copy, around, name, services[name], found[name][0]))
        copy.write(f"{name}: started from {found[name][0]}")
    for name in begun:
        await_ready(name)


def _ordered(services: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the services, each after those among them that it depends on."""
    needs = {
        name: [one for one in service.get("depends_on") or () if one in services] for name, service in services.items()
    }
    try:
        return tuple(TopologicalSorter(needs).static_order())
    except CycleError as fault:
        raise StageFailed(
            f"backing services wait for each other: {' → '.join(fault.args[1])}", code="circle"
        ) from fault


def _container(copy: Copy, around: Around, name: str, service: Mapping[str, Any], image: str) -> ContainerSpec:
    command = service.get("command")
    return ContainerSpec(
        name=copy.backing(name),
        image=image,
        command=tuple(command) if command else None,
        env=dict(service.get("env") or {}),
        labels=copy.marks(name),
        network=around.network,
        joins=around.joins,
        aliases=() if around.joins else (name,),
        memory=copy.scene.ctx.memory,
    )


def _image(copy: Copy, name: str, service: Mapping[str, Any]) -> tuple[str, ImageFacts]:
    """Return the image of a backing service and what it says of itself: the named one, or the commit's own."""
    reference = str(service.get("image") or "")
    if reference:
        check_image(copy.scene, reference)
    else:
        with copy.scene.ctx.database.read() as session:
            own = images.find(session, copy.scene.project.id, name, copy.scene.work.revision)
        reference = own.reference if own else ""
    facts = copy.scene.ctx.engine.image(reference) if reference else None
    if facts is None:
        raise no_image(name, reference)
    return reference, facts


def no_image(name: str, reference: str) -> StageFailed:
    """Return the failure of a stage that needs an image nobody has."""
    if not reference:
        return StageFailed(f"{name} has no image: name one, or let a stage build it before", code="no_image")
    bases = f"; `./slipway base build {reference[13:-6]}` makes it" if reference.startswith("slipway/base-") else ""
    ways = "build it on the engine's machine, or name it with its registry, as registry.example/db:7"
    return StageFailed(f"{name}: there is no image {reference} here{bases or f'; {ways}'}", code="no_image")


def _check_ports(copy: Copy, around: Around, services: Mapping[str, Any], facts: Mapping[str, ImageFacts]) -> None:
    """Raise StageFailed if two services would want the same port of the one localhost they share."""
    taken: dict[int, str] = {}
    for name in services if around.joins else ():
        port = services[name].get("port") or facts[name].port
        if port in taken:
            what = f"{taken[port]} and {name} both want port {port} on localhost"
            raise StageFailed(f"{what}; give one another port, or use `network: private`", code="port_clash")
        if port:
            taken[port] = name


def _removed(copy: Copy, name: str) -> SlipwayError | None:
    try:
        copy.scene.ctx.engine.remove(name, grace=0)
    except SlipwayError as fault:
        return fault
    return None
