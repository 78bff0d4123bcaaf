"""A way from a network of containers to the proxy: open only on that network's gateway, and only while it is needed."""

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pipeline.errors import Unavailable

CHUNK = 64 * 1024
BACKLOG = 128
CONNECT_SECONDS = 10.0
STOP_SECONDS = 5.0
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - addresses to be told apart, not to listen on


class Relay:
    """pipeline.ports.Door to a proxy at `address` and `port`, which itself may listen on this machine alone."""

    def __init__(self, address: str, port: int) -> None:
        self._there = (ANYWHERE.get(address, address), port)
        self._everywhere = address in ANYWHERE

    @contextmanager
    def open(self, gateway: str) -> Iterator[int]:
        """Listen on a gateway's address and pass on what comes; the port is the proxy's own where that is free."""
        server = self._listening(gateway)
        if server is None:
            yield self._there[1]
            return
        line = _Line(server, self._there)
        try:
            yield int(server.getsockname()[1])
        finally:
            line.hang_up()

    def _listening(self, gateway: str) -> socket.socket | None:
        """Return a socket that listens, or None if the proxy listens there itself."""
        try:
            return socket.create_server((gateway, self._there[1]), backlog=BACKLOG)
        except OSError as fault:
            if fault.errno == errno.EADDRINUSE and self._everywhere:
                return None
            if fault.errno in {errno.EADDRINUSE, errno.EACCES}:
                return socket.create_server((gateway, 0), backlog=BACKLOG)
            what = f"nothing can listen on {gateway}, where containers would reach the proxy ({fault.strerror})"
            fix = "The container engine must be on this machine."
            raise Unavailable(what, code="no_way_to_proxy", fix=fix) from fault


class _Line:
    """Every connection that came in, each with two threads that pass on what is said, one for each way."""

    def __init__(self, server: socket.socket, there: tuple[str, int]) -> None:
        self._server = server
        self._there = there
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._guard = threading.Lock()
        self._over = False
        self._accepting = self._thread(self._accept)

    def hang_up(self) -> None:
        """Let go of everything; it has been when this returns."""
        with self._guard:
            self._over = True
            for wire in (self._server, *self._open):
                _shut(wire, socket.SHUT_RDWR)
        self._accepting.join(STOP_SECONDS)
        self._server.close()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                wire, _peer = self._server.accept()
                self._threads = [one for one in self._threads if one.is_alive()]
                self._threads.append(self._thread(self._pass_on, wire))

    def _pass_on(self, wire: socket.socket) -> None:
        with wire, self._known(wire), suppress(OSError):
            back = socket.create_connection(self._there, timeout=CONNECT_SECONDS)
            back.settimeout(None)
            with back, self._known(back):
                answering = self._thread(_copy, back, wire)
                _copy(wire, back)
                answering.join()

    @contextmanager
    def _known(self, wire: socket.socket) -> Iterator[None]:
        """Have a connection among those that are let go of at the end, even one that came at that very moment."""
        with self._guard:
            self._open.add(wire)
            if self._over:
                _shut(wire, socket.SHUT_RDWR)
        try:
            yield
        finally:
            with self._guard:
                self._open.discard(wire)

    def _thread(self, work: Callable[..., None], *given: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=work, args=given, name="relay", daemon=True)
        thread.start()
        return thread


def _copy(here: socket.socket, there: socket.socket) -> None:
    """Pass on what one side says until it has no more to say, and then say so."""
    with suppress(OSError):
        while chunk := here.recv(CHUNK):
            there.sendall(chunk)
    _shut(there, socket.SHUT_WR)
    _shut(here, socket.SHUT_RD)


def _shut(wire: socket.socket, how: int) -> None:
    with suppress(OSError):
        wire.shutdown(how)
