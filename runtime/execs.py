"""Commands in containers that run: with something to read, every line they write, and how they ended."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from docker.errors import APIError

from pipeline.containers import Limits
from pipeline.errors import StageFailed
from pipeline.ports import Execution, Line
from runtime.lines import Output
from runtime.oneshot import CHUNK, quoted
from runtime.watch import TICK, Watch
from runtime.wire import Wire

NOT_FOUND, CONFLICT = 404, 409


class Execs:
    """Runs commands inside running containers."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def execute(self, name: str, command: Sequence[str], line: Line, limits: Limits, work: Execution) -> int:
        """Run a command in a container, stream its output, return its exit code.

        A command that is given up on goes on until its container is stopped: the engine has no way to end it.
        """
        watch = Watch(quoted(command), limits, line)
        begun = self._begin(name, command)
        with self._opened(begun) as wire:
            writer = threading.Thread(target=_write, args=(wire, work.stdin), name="exec-stdin", daemon=True)
            writer.start()
            self._follow(wire, watch, work)
        with self._wire.doing(f"look at a command in {name}"):
            return int(self._wire.api.exec_inspect(begun)["ExitCode"])

    def _begin(self, name: str, command: Sequence[str]) -> str:
        with self._wire.doing(f"run a command in {name}"):
            try:
                return str(self._wire.api.exec_create(name, list(command), stdin=True)["Id"])
            except APIError as fault:
                if fault.status_code not in {NOT_FOUND, CONFLICT}:
                    raise
                raise StageFailed(f"{quoted(command)} has no container to run in", code="not_running") from fault

    @contextmanager
    def _opened(self, begun: str) -> Iterator[socket.socket]:
        with self._wire.doing("start a command in a container"):
            stream: Any = self._wire.api.exec_start(begun, socket=True)
        wire: socket.socket = getattr(stream, "_sock", stream)
        wire.settimeout(TICK)
        try:
            yield wire
        finally:
            with suppress(AttributeError):
                stream._response.close()
            stream.close()

    def _follow(self, wire: socket.socket, watch: Watch, work: Execution) -> None:
        output = Output()
        while chunk := self._chunk(wire, watch, work):
            watch.heard()
            for line in output.feed(chunk):
                watch.say(line)
        for line in output.flush():
            watch.say(line)

    def _chunk(self, wire: socket.socket, watch: Watch, work: Execution) -> bytes:
        while True:
            watch.check(work.stop)
            try:
                return wire.recv(CHUNK)
            except TimeoutError:
                continue
            except OSError as fault:
                raise self._wire.gone(fault) from fault


def _write(wire: socket.socket, data: bytes) -> None:
    """Give a command all it is to read, at its own pace; one that reads no further is its own affair."""
    rest = memoryview(data)
    with suppress(OSError, ValueError):
        while rest:
            try:
                rest = rest[wire.send(rest[:CHUNK]) :]
            except TimeoutError:
                continue
        wire.shutdown(socket.SHUT_WR)
