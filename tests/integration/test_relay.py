"""The relay: what listens on one address passes everything on to another, both ways, and is gone afterwards."""

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from pipeline.errors import Unavailable
from runtime.relay import Relay

GATEWAY = "127.0.0.77"
NETWORK = IPv4Interface(f"{GATEWAY}/8")
LARGE = b"x" * 2_000_000


@pytest.fixture
def free() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server((GATEWAY, 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def echo() -> Iterator[Path]:
    """Return the socket of a server that sends back all it was sent, once that has ended."""
    with tempfile.TemporaryDirectory(prefix="slipway-relay-") as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/door")
        server.listen()
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        yield Path(folder) / "door"


def _serve(server: socket.socket) -> None:
    while True:
        try:
            wire, _peer = server.accept()
        except OSError:
            return
        with wire, suppress(OSError):
            wire.sendall(heard(wire))


def ask(port: int, what: bytes) -> bytes:
    with socket.create_connection((GATEWAY, port), timeout=60) as wire:
        sender = threading.Thread(target=send, args=(wire, what))
        sender.start()
        answer = heard(wire)
        sender.join()
        return answer


def send(wire: socket.socket, what: bytes) -> None:
    with suppress(OSError):
        wire.sendall(what)
        wire.shutdown(socket.SHUT_WR)


def heard(wire: socket.socket) -> bytes:
    return b"".join(iter(lambda: wire.recv(65536), b""))


def said(answer: bytes) -> bytes:
    """Return what came through without the line that says for whom."""
    return answer.partition(b"\r\n")[2]


def test_everything_goes_through_and_nothing_listens_afterwards(echo: Path, free: int) -> None:
    with Relay(echo, free).open(NETWORK) as port:
        assert port == free
        assert said(ask(port, LARGE)) == LARGE
        assert said(ask(port, b"")) == b""
    with pytest.raises(ConnectionRefusedError):
        ask(port, b"x")


def test_D8_the_proxy_is_told_for_whom_the_relay_speaks(echo: Path, free: int) -> None:
    with Relay(echo, free).open(NETWORK) as port:
        words = ask(port, b"hello").partition(b"\r\n")[0].decode().split()
    assert [*words[:4], words[5]] == ["PROXY", "TCP4", "127.0.0.1", GATEWAY, str(port)]


def test_D8_whoever_is_of_another_network_is_hung_up_on(echo: Path, free: int) -> None:
    with Relay(echo, free).open(IPv4Interface(f"{GATEWAY}/28")) as port, suppress(ConnectionError):
        assert ask(port, b"hello") == b""


def test_a_port_that_is_taken_is_replaced_by_another(echo: Path, free: int) -> None:
    with socket.create_server((GATEWAY, free)), Relay(echo, free).open(NETWORK) as port:
        assert port != free
        assert said(ask(port, b"hello")) == b"hello"


def test_a_connection_that_is_open_at_the_end_is_closed(echo: Path, free: int) -> None:
    with Relay(echo, free).open(NETWORK) as port:
        wire = socket.create_connection((GATEWAY, port), timeout=60)
        wire.sendall(b"half")
    with wire, suppress(ConnectionResetError):
        assert said(heard(wire)) in {b"", b"half"}


def test_a_gateway_of_another_machine_says_so(echo: Path, free: int) -> None:
    elsewhere = IPv4Interface("192.0.2.1/24")
    with pytest.raises(Unavailable, match=r"nothing can listen on 192\.0\.2\.1"), Relay(echo, free).open(elsewhere):
        pass


def test_a_proxy_that_is_down_closes_the_connection(tmp_path: Path, free: int) -> None:
    with Relay(tmp_path / "none", free).open(NETWORK) as port, suppress(ConnectionError):
        assert ask(port, b"") == b""
