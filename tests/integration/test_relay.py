"""The relay: what listens on one address passes everything on to another, both ways, and is gone afterwards."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from pipeline.errors import Unavailable
from runtime.relay import Relay

HERE = "127.0.0.1"
GATEWAY = "127.0.0.77"
LARGE = b"x" * 2_000_000


@pytest.fixture
def echo() -> Iterator[int]:
    """Return the port of a server that sends back all it was sent, once that has ended."""
    with socket.create_server((HERE, 0)) as server:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def _serve(server: socket.socket) -> None:
    while True:
        try:
            wire, _peer = server.accept()
        except OSError:
            return
        with wire:
            wire.sendall(heard(wire))


def ask(port: int, what: bytes) -> bytes:
    with socket.create_connection((GATEWAY, port), timeout=60) as wire:
        sender = threading.Thread(target=send, args=(wire, what))
        sender.start()
        answer = heard(wire)
        sender.join()
        return answer


def send(wire: socket.socket, what: bytes) -> None:
    wire.sendall(what)
    wire.shutdown(socket.SHUT_WR)


def heard(wire: socket.socket) -> bytes:
    return b"".join(iter(lambda: wire.recv(65536), b""))


def test_everything_goes_through_and_nothing_listens_afterwards(echo: int) -> None:
    with Relay(HERE, echo).open(GATEWAY) as port:
        assert port == echo
        assert ask(port, LARGE) == LARGE
        assert ask(port, b"") == b""
    with pytest.raises(ConnectionRefusedError):
        ask(port, b"x")


def test_a_port_that_is_taken_is_replaced_by_another(echo: int) -> None:
    with socket.create_server((GATEWAY, echo)), Relay(HERE, echo).open(GATEWAY) as port:
        assert port != echo
        assert ask(port, b"hello") == b"hello"


def test_a_proxy_that_listens_everywhere_needs_no_relay(echo: int) -> None:
    with socket.create_server((GATEWAY, echo)), Relay("0.0.0.0", echo).open(GATEWAY) as port:
        assert port == echo


def test_a_connection_that_is_open_at_the_end_is_closed(echo: int) -> None:
    with Relay(HERE, echo).open(GATEWAY) as port:
        wire = socket.create_connection((GATEWAY, port), timeout=60)
        wire.sendall(b"half")
    with wire, suppress(ConnectionResetError):
        assert wire.recv(100) == b""


def test_a_gateway_of_another_machine_says_so(echo: int) -> None:
    with pytest.raises(Unavailable, match=r"nothing can listen on 192\.0\.2\.1"), Relay(HERE, echo).open("192.0.2.1"):
        pass


def test_a_proxy_that_is_down_closes_the_connection() -> None:
    with socket.create_server((HERE, 0)) as server:
        free = server.getsockname()[1]
    with Relay(HERE, free).open(GATEWAY) as port:
        assert ask(port, b"") == b""
