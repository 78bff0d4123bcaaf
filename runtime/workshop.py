"""Build containers: a tree goes in, a command runs, and what it made comes out; nothing of it touches our own disk."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from docker.errors import APIError, NotFound

from pipeline.containers import ContainerSpec, Limits
from pipeline.errors import StageFailed
from pipeline.ports import Line
from runtime.archives import Archives
from runtime.oneshot import OneShots, said_command
from runtime.watch import Watch
from runtime.wire import BROKEN, Wire, said

CHUNK = 256 * 1024
# What a build container may hand on: a context larger than this fills a disk, or is a mistake.
MOST = 4 * 1024**3
DIRECTORY = 1 << 31


class Workshop:
    """Runs build containers."""

    def __init__(self, wire: Wire, oneshots: OneShots) -> None:
        self._wire = wire
        self._oneshots = oneshots
        self._archives = Archives(wire)

    @contextmanager
    def produce(
        self, spec: ContainerSpec, given: BinaryIO, line: Line, limits: Limits, stop: Callable[[], bool]
    ) -> Iterator["Leavings"]:
        """Run a container to its end with a tar stream unpacked in its working directory, and let it be read."""
        watch = Watch(said_command(spec), limits, line)
        with self._oneshots.created(spec) as container:
            for path, data in spec.files.items():
                self._archives.put(container, path, data)
            # An image may have a user of its own, who is to leave something there.
            self._archives.open_folder(container, spec.workdir)
            self._put(container, spec.workdir, _watched(given, watch, stop))
            code = self._oneshots.follow(container, spec, watch, stop)
            if code != 0:
                raise StageFailed(f"{said_command(spec)} exited with {code}", code="builder_failed", tail=watch.tail)
            yield Leavings(self._wire, container)

    def _put(self, container: str, path: str, given: Iterator[bytes]) -> None:
        with self._wire.doing("copy the source into a build container"):
            self._wire.api.put_archive(container, path, given)


class Leavings:
    """pipeline.ports.Produced: the files of a container that has ended."""

    def __init__(self, wire: Wire, container: str) -> None:
        self._wire = wire
        self._container = container

    @contextmanager
    def read(self, path: str) -> Iterator[BinaryIO]:
        """Open a tar stream of a directory's content. Raises StageFailed if there is none."""
        api: Any = self._wire.api
        try:
            # The dot is the engine's way to say: what is in the directory, without its own name.
            chunks, facts = api.get_archive(self._container, f"{path.rstrip('/')}/.", chunk_size=CHUNK)
        except NotFound as fault:
            raise StageFailed(f"the builder left no directory {path}", code="no_output") from fault
        except APIError as fault:
            # Asked for what is in a file, the engine has no better answer.
            raise StageFailed(f"the builder's output {path}: {said(fault)}", code="no_output") from fault
        except BROKEN as fault:
            raise self._wire.gone(fault) from fault
        try:
            if not int(facts["mode"]) & DIRECTORY:
                raise StageFailed(f"the builder's output {path} is no directory", code="no_output")
            with io.BufferedReader(_Stream(self._wire, chunks), CHUNK) as stream:
                yield cast(BinaryIO, stream)
        finally:
            chunks.close()


def _watched(stream: BinaryIO, watch: Watch, stop: Callable[[], bool]) -> Iterator[bytes]:
    """Yield a stream in pieces until its time is over. Raises Cancelled, StageFailed."""
    while piece := stream.read(CHUNK):
        watch.check(stop)
        watch.heard()
        yield piece


class _Stream(io.RawIOBase):
    """What the engine sends, at most so much of it."""

    def __init__(self, wire: Wire, chunks: Iterator[bytes]) -> None:
        self._wire = wire
        self._chunks = chunks
        self._rest = b""
        self._taken = 0

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes. Raises StageFailed if there are too many, Unavailable if the engine goes away."""
        if not self._rest:
            try:
                self._rest = next(self._chunks, b"")
            except BROKEN as fault:
                raise self._wire.gone(fault) from fault
        taken = min(len(buffer), len(self._rest))
        self._taken += taken
        if self._taken > MOST:
            raise StageFailed(f"the builder's output is larger than {MOST / 1024**3:g} GiB", code="output_too_large")
        buffer[:taken], self._rest = self._rest[:taken], self._rest[taken:]
        return taken
