"""Waking the clock: a datagram that says "look now", sent after a commit. Losing one costs a second, never more."""

import os
import selectors
import socket
from contextlib import suppress
from pathlib import Path


class Wake:
    """The socket at `path`, whose reader is the clock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self) -> None:
        """Wake whoever listens. Nobody listening, or too many rings waiting already, is fine."""
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            with _Short(self._path) as address:
                sender.sendto(b"!", address)

    def listen(self) -> "Bell":
        """Return the bell that `send` rings; the newest listener is the one that hears."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with _Short(self._path) as address:
            ear.bind(address)
        self._path.chmod(0o600)
        ear.setblocking(False)
        return Bell(ear)


class Bell:
    """What hears the rings."""

    def __init__(self, ear: socket.socket) -> None:
        self._ear = ear
        self._selector = selectors.DefaultSelector()
        self._selector.register(ear, selectors.EVENT_READ)

    def wait(self, timeout: float) -> bool:
        """Wait for a ring, at most `timeout` seconds; return whether it rang. Rings that wait count as one."""
        if not self._selector.select(max(0.0, timeout)):
            return False
        with suppress(BlockingIOError):
            while True:
                self._ear.recv(1)
        return True

    def close(self) -> None:
        """Stop hearing."""
        self._selector.close()
        self._ear.close()


class _Short:
    """The address of a socket, by way of an open directory: a socket's own path may have 107 bytes only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> str:
        self._folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._folder}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._folder)
