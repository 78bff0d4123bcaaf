"""The probe against real sockets that answer well, badly, slowly and not at all."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runtime.probe import http_probe


@contextmanager
def server(*pieces: bytes, pause: float = 0.0) -> Iterator[tuple[int, list[bytes]]]:
    """Serve one answer in pieces to each connection; yields the port and what was asked."""
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                wire = listener.accept()[0]
            except OSError:
                return
            with wire:
                wire.settimeout(2)
                try:
                    asked.append(wire.recv(65536))
                    for piece in pieces:
                        wire.sendall(piece)
                        time.sleep(pause)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], asked


@pytest.mark.parametrize("status", [b"200 OK", b"204 No Content", b"301 Moved", b"399 X"])
def test_two_and_three_hundreds_are_well(status: bytes) -> None:
    with server(b"HTTP/1.1 " + status + b"\r\n\r\n") as (port, _asked):
        assert http_probe("127.0.0.1", port, "/healthz", 2) is None


@pytest.mark.parametrize("status", [404, 500, 503])
def test_another_status_is_said_with_its_path(status: int) -> None:
    with server(f"HTTP/1.0 {status} No\r\n\r\n".encode()) as (port, _asked):
        assert http_probe("127.0.0.1", port, "/healthz", 2) == f"answered {status} on /healthz"


def test_without_a_path_an_open_port_will_do() -> None:
    with server(b"anything") as (port, _asked):
        assert http_probe("127.0.0.1", port, None, 2) is None


def test_a_closed_port_refuses() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    assert http_probe("127.0.0.1", port, "/", 2) == f"refused the connection on port {port}"
    assert http_probe("127.0.0.1", port, None, 2) == f"refused the connection on port {port}"


def test_what_is_not_http_is_said() -> None:
    with server(b"+OK redis\r\n") as (port, _asked):
        assert http_probe("127.0.0.1", port, "/", 2) == "does not speak HTTP on /"
    with server() as (port, _asked):
        assert http_probe("127.0.0.1", port, "/", 2) == "closed the connection without an answer on /"


def test_the_time_limit_is_for_all_of_it_however_the_answer_drips() -> None:
    with server(*[b"H"] * 40, pause=0.05) as (port, _asked):
        began = time.monotonic()
        assert http_probe("127.0.0.1", port, "/slow", 0.3) == "gave no answer within 0.3 s on /slow"
        assert time.monotonic() - began < 0.6


def test_an_answer_in_pieces_is_put_together() -> None:
    with server(b"HTT", b"P/1.1 2", b"00 OK\r\n", pause=0.02) as (port, _asked):
        assert http_probe("127.0.0.1", port, "/", 2) is None


def test_a_path_cannot_smuggle_a_second_request() -> None:
    with server(b"HTTP/1.1 200 OK\r\n\r\n") as (port, asked):
        assert http_probe("127.0.0.1", port, "/a b\r\nEvil: yes?c=d%20e", 2) is None
    assert asked[0].startswith(b"GET /a%20b%0D%0AEvil:%20yes?c=d%20e HTTP/1.1\r\n")


def test_an_address_nobody_can_reach_is_said() -> None:
    assert "cannot be reached on port 80" in str(http_probe("255.255.255.255", 80, "/", 1))
