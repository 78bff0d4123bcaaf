"""The container engine, as `pipeline.ports.Engine` wants it: one face on images, containers and networks."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO

from pipeline.containers import ContainerSpec, ContainerState, Limits
from pipeline.images import ImageSpec
from pipeline.ports import ImageFacts, Line, Produced
from runtime.builds import Builds
from runtime.containers import Containers
from runtime.images import Images
from runtime.networks import Networks
from runtime.oneshot import OneShots
from runtime.stopping import Grace
from runtime.wire import Wire
from runtime.workshop import Workshop


class DockerEngine:
    """A Docker engine at `host`; what is made carries the label of `home`, networks are cut from `networks`."""

    def __init__(
        self,
        host: str,
        home: str,
        networks: str,
        builder: str = "auto",
        *,
        grace: Grace = Grace(),  # noqa: B008
    ) -> None:
        wire = Wire(host)
        self._images = Images(wire)
        self._builds = Builds(wire, builder)
        self._containers = Containers(wire, home, self._images.image)
        self._oneshots = OneShots(wire, self._containers, grace)
        self._workshop = Workshop(wire, self._oneshots)
        self._networks = Networks(wire, home, networks)

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

    def image(self, reference: str) -> ImageFacts | None:
        """Return what an image says of itself, pulling it if only the registry has it; None if nobody has it."""
        return self._images.image(reference)

    def start(self, spec: ContainerSpec) -> ContainerState:
        """Start a container, or adopt the one of that name that is there. Raises StageFailed if it cannot start."""
        return self._containers.start(spec)

    def run(self, spec: ContainerSpec, line: Line, limits: Limits, stop: Callable[[], bool]) -> int:
        """Run a container to its end, stream its output, return its exit code; it is removed whatever happens."""
        return self._oneshots.run(spec, line, limits, stop)

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

    def network(self, name: str, labels: Mapping[str, str]) -> str:
        """Return the network of that name, making it on a small free subnet if need be."""
        return self._networks.network(name, labels)

    def remove_network(self, name: str) -> None:
        """Remove a network; not being there is fine."""
        self._networks.remove_network(name)
