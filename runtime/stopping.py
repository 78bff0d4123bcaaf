"""Stopping a container in an orderly way: interrupt, then terminate, then kill, hearing its last words meanwhile."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from docker.errors import APIError, NotFound

from runtime.lines import Output
from runtime.wire import Wire

CHUNK = 64 * 1024
PAUSE = 0.05
CONFLICT = 409


@dataclass(frozen=True, kw_only=True, slots=True)
class Grace:
    """How many seconds a command has after an interrupt, and after being told to terminate, before it is killed."""

    interrupt: float = 2.0
    terminate: float = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Ear:
    """What hears a container: its stream, what makes lines of that, and where they go."""

    wire: socket.socket
    output: Output
    say: Callable[[str], None]

    def hear(self, seconds: float) -> bool:
        """Pass on what is written within so many seconds; False if nothing more will come."""
        self.wire.settimeout(seconds)
        try:
            chunk = self.wire.recv(CHUNK)
        except TimeoutError:
            return True
        except OSError:
            return False
        for line in self.output.feed(chunk):
            self.say(line)
        return bool(chunk)


class Ladder:
    """Brings containers to their end, rung by rung; a container that has ended is left as it is."""

    def __init__(self, wire: Wire, grace: Grace) -> None:
        self._wire = wire
        self._grace = grace

    def climb(self, container: str, ear: Ear) -> None:
        """Stop a container whose output is heard by `ear`; it has ended when this returns."""
        for signal, seconds in (("SIGINT", self._grace.interrupt), ("SIGTERM", self._grace.terminate)):
            if seconds > 0 and (not self._signalled(container, signal) or self._ended(container, ear, seconds)):
                return
        if self._signalled(container, "SIGKILL"):
            self._ended(container, ear, self._grace.terminate + self._grace.interrupt)

    def _ended(self, container: str, ear: Ear, seconds: float) -> bool:
        """Hear the container for so long; True once it has ended and all it wrote was heard."""
        deadline, open_still = time.monotonic() + seconds, True
        while time.monotonic() < deadline:
            if open_still:
                open_still = ear.hear(PAUSE)
            else:
                time.sleep(PAUSE)
            if not self._runs(container):
                while open_still and time.monotonic() < deadline:
                    open_still = ear.hear(PAUSE)
                return True
        return False

    def _runs(self, container: str) -> bool:
        with self._wire.doing("look at a container"):
            try:
                return bool(self._wire.api.inspect_container(container)["State"]["Running"])
            except NotFound:
                return False

    def _signalled(self, container: str, signal: str) -> bool:
        """Send a signal; False if there is nobody left to hear it."""
        with self._wire.doing("stop a container"):
            try:
                self._wire.api.kill(container, signal)
            except NotFound:
                return False
            except APIError as fault:
                if fault.status_code != CONFLICT:
                    raise
                return False
            return True
