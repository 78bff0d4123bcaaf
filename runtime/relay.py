"""A way from a network of containers to the proxy: open only on that network's gateway, and only while it is needed.

It leads to the proxy's socket for containers, and says there whom it speaks for: to the proxy a container is never
somebody of this machine.
"""

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Interface, IPv4Network, ip_address
from pathlib import Path

from pipeline.errors import Unavailable

CHUNK = 64 * 1024
BACKLOG = 128
CONNECT_SECONDS = 10.0
STOP_SECONDS = 5.0


class Relay:
    """pipeline.ports.Door to a proxy with a socket for containers, `door`, that listens at `port` for all others."""

    def __init__(self, door: Path, port: int) -> None:
        self._door = str(door)
        self._port = port

    @contextmanager
    def open(self, gateway: IPv4Interface) -> Iterator[int]:
        """Listen on a gateway's address for its own network; the port is the proxy's own where that is free."""
        line = _Line(self._listening(str(gateway.ip)), self._door, gateway.network)
        try:
            yield line.port
        finally:
            line.hang_up()

    def _listening(self, gateway: str) -> socket.socket:
        try:
            return socket.create_server((gateway, self._port), backlog=BACKLOG)
        except OSError as fault:
            if fault.errno in {errno.EADDRINUSE, errno.EACCES}:
                return socket.create_server((gateway, 0), backlog=BACKLOG)
            what = f"nothing can listen on {gateway}, where containers would reach the proxy ({fault.strerror})"
            fix = "The container engine must be on this machine."
            raise Unavailable(what, code="no_way_to_proxy", fix=fix) from fault


class _Line:
    """Every connection that came in, each with two threads that pass on what is said, one for each way."""

    def __init__(self, server: socket.socket, there: str, network: IPv4Network) -> None:
        self._server = server
        self._there = there
        self._network = network
        self.port = int(server.getsockname()[1])
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
                wire, peer = self._server.accept()
                if ip_address(peer[0]) not in self._network:
                    # Another network's container: the kernel lets each reach every gateway of its machine.
                    wire.close()
                    continue
                self._threads = [one for one in self._threads if one.is_alive()]
                self._threads.append(self._thread(self._pass_on, wire))

    def _pass_on(self, wire: socket.socket) -> None:
        with wire, self._known(wire), suppress(OSError):
            back = socket.socket(socket.AF_UNIX)
            with back, self._known(back):
                back.settimeout(CONNECT_SECONDS)
                back.connect(self._there)
                back.settimeout(None)
                back.sendall(_speaking_for(wire))
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


def _speaking_for(wire: socket.socket) -> bytes:
    """Return the line that tells the proxy who is at the other end (haproxy.org, proxy-protocol.txt, version 1)."""
    (peer, peer_port), (here, port) = wire.getpeername(), wire.getsockname()
    return f"PROXY TCP4 {peer} {here} {peer_port} {port}\r\n".encode()


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
