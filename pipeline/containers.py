"""Containers: what one needs to start, and the labels by which Slipway knows its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HOME = "dev.slipway.home"


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerSpec:
    """One container to start. Its name is the key that makes starting it twice the same as once.

    `caches` are volumes that outlive it, by name, and where each is in it; they carry the container's labels. `files`
    are put into a build container before it starts.
    One that `joins` another container shares its network, its `localhost` and its names; `hosts` are names it knows
    beyond those of its network, with their addresses.
    """

    name: str
    image: str
    command: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None
    workdir: str = ""
    caches: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    joins: str = ""
    hosts: Mapping[str, str] = field(default_factory=dict)
    keep_running: bool = False
    memory: int = 2 * 1024**3
    pids: int = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerState:
    """A container as the engine sees it; `address` is its own on its network, empty when it does not run.

    `health` is what the image's own health check says: starting, healthy or unhealthy; empty if it has none.
    """

    id: str
    name: str
    running: bool
    exit_code: int | None
    address: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    health: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How long something may run and how long it may say nothing, in seconds."""

    seconds: float
    silence: float


def labels(home: str, **values: str) -> dict[str, str]:
    """Return Slipway's labels: the home, and one `dev.slipway.<key>` for each value."""
    return {HOME: home} | {f"dev.slipway.{key}": value for key, value in values.items()}


def environment_variables(*, project: str, revision: str, **where: str) -> dict[str, str]:
    """Return the variables every container gets; `where` adds branch, service, stage, environment …"""
    known = {"PROJECT": project, "REVISION": revision} | {key.upper(): value for key, value in where.items() if value}
    return {"SLIPWAY": "true"} | {f"SLIPWAY_{key}": value for key, value in known.items()}
