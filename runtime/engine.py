"""The container engine, as `pipeline.ports.Engine` wants it: one face on images, containers and networks."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from ipaddress import IPv4Interface
from typing import BinaryIO

from pipeline.containers import ContainerSpec, ContainerState, Limits
from pipeline.images import ImageSpec
from pipeline.leftovers import Owned
from pipeline.ports import Execution, ImageFacts, Line, Produced
from pipeline.registries import Registry
from runtime import bases
from runtime.archives import Archives
from runtime.builds import Builds
from runtime.containers import Containers
from runtime.execs import Execs
from runtime.images import Images
from runtime.leftovers import Leftovers
from runtime.networks import Networks
from runtime.oneshot import OneShots
from runtime.stopping import Grace
from runtime.wire import Wire
from runtime.workshop import Workshop


class DockerEngine:
    """A Docker engine at `host`; what is made carries the label of `home`, networks are cut from `networks`.

    `registry` is ours, and as whom it is spoken to."""

    def __init__(
        self,
        host: str,
        home: str,
        networks: str,
        builder: str = "auto",
        *,
        registry: Registry | None = None,
        grace: Grace = Grace(),  # noqa: B008
    ) -> None:
        wire = Wire(host)
        self._images = Images(wire, registry)
        self._builds = Builds(wire, builder, registry)
        self._containers = Containers(wire, home, self._images.image)
        self._oneshots = OneShots(wire, self._containers, grace)
        self._workshop = Workshop(wire, self._oneshots)
        self._networks = Networks(wire, home, networks)
        self._leftovers = Leftovers(wire, home, self._containers, self._networks)
        self._execs = Execs(wire)
        self._archives = Archives(wire)
        self._host, self._home = host, home

    def builder(self) -> str:
        """Return `buildkit` or `classic`: what builds here will use."""
        return self._builds.builder

    def build(self, spec: ImageSpec, context: BinaryIO, line: Line, limits: Limits, stop: Callable[[], bool]) -> str:
        """Build and tag an image, give each line of output to `line`, return its id. Raises StageFailed, Cancelled."""
        return self._builds.build(spec, context, line, limits, stop)

    def push(self, reference: str, line: Line) -> str:
        """Push a tagged image and return the digest the registry knows it by."""
        return self._images.push(reference, line)

    def tag(self, image: str, reference: str) -> None:
        """Give an image another reference."""
        self._images.tag(image, reference)

    def image(self, reference: str, *, as_anybody: bool = False) -> ImageFacts | None:
        """Return what an image says of itself, pulling it if only the registry has it; None if nobody has it."""
        return self._images.image(reference, as_anybody=as_anybody)

    def start(self, spec: ContainerSpec) -> ContainerState:
        """Start a container, or adopt the one of that name that is there. Raises StageFailed if it cannot start."""
        return self._containers.start(spec)

    def run(
        self,
        spec: ContainerSpec,
        line: Line,
        limits: Limits,
        stop: Callable[[], bool],
        *,
        ended: Callable[[], None] = lambda: None,
    ) -> int:
        """Run a container to its end, stream its output, return its exit code; it is removed whatever happens."""
        return self._oneshots.run(spec, line, limits, stop, ended)

    def execute(self, name: str, command: Sequence[str], line: Line, limits: Limits, work: Execution) -> int:
        """Run a command in a running container and return its exit code. Raises StageFailed, Cancelled."""
        return self._execs.execute(name, command, line, limits, work)

    def put(self, name: str, path: str, data: bytes) -> None:
        """Put a file into a container under an absolute path, whose folders are made."""
        self._archives.put(name, path, data)

    def files(self, name: str, path: str) -> AbstractContextManager[BinaryIO | None]:
        """Open a tar stream of a file or folder of a stopped container; None if there is nothing of that path."""
        return self._archives.files(name, path)

    def produce(
        self, spec: ContainerSpec, given: BinaryIO, line: Line, limits: Limits, stop: Callable[[], bool]
    ) -> AbstractContextManager[Produced]:
        """Run a container to its end with a tar stream unpacked in its working directory, and let it be read."""
        return self._workshop.produce(spec, given, line, limits, stop)

    def look(self, name: str) -> ContainerState | None:
        """Return a container as it is, or None."""
        return self._containers.look(name)

    def tail(self, name: str, lines: int) -> tuple[str, ...]:
        """Return the last lines a container has written; none if it is not there."""
        return self._containers.tail(name, lines)

    def remove(self, name: str, *, grace: int) -> None:
        """Stop a container, waiting `grace` seconds before the kill, and remove it; not being there is fine."""
        self._containers.remove(name, grace=grace)

    def containers(self, labels: Mapping[str, str]) -> tuple[ContainerState, ...]:
        """Return the containers of this home that carry these labels too, running or not."""
        return self._containers.list(labels)

    def network(self, name: str, labels: Mapping[str, str], *, containers: int = 60) -> str:
        """Return the network of that name, making it on a free subnet for so many containers if need be."""
        return self._networks.network(name, labels, containers=containers)

    def network_alone(self) -> str | None:
        """Return a network on which no container can reach another, or None if this engine does not keep them apart."""
        return self._networks.alone()

    def gateway(self, network: str) -> IPv4Interface:
        """Return the address by which a network's containers reach the engine's machine, and the network's subnet."""
        return self._networks.gateway(network)

    def holder_image(self) -> str:
        """Return an image whose container can hold a network name space and look at its ports; made if need be."""
        base = bases.BASES["busybox"]
        if self._images.image(base.reference) is None:
            bases.build(base, engine=self._host, home_id=self._home)
        return base.reference

    def remove_network(self, name: str) -> None:
        """Remove a network; not being there is fine."""
        self._networks.remove_network(name)

    def inventory(self) -> tuple[Owned, ...]:
        """Return every container, network and volume of this home, whoever made it."""
        return self._leftovers.inventory()

    def discard(self, owned: Owned) -> bool:
        """Take such a thing away; False if something that is not ours still uses it."""
        return self._leftovers.discard(owned)
