"""The inbox under gunicorn: framing, floods, and SIGKILL in the middle of a burst."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from pipeline.project import Forge, Project
from store import projects
from store.migrate import upgrade
from store.schema import DeliveryRow, JobRow, MessageRow, RunRow
from store.session import Database
from tests.inbox_app import LIMIT
from tests.integration.test_inbox import SECRET, payload, signed

ROOT = Path(__file__).resolve().parents[2]
HEAD = "POST /hooks/github/shop HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A gunicorn that serves the inbox from a database."""

    port: int
    url: str
    process: "subprocess.Popen[bytes]"

    def post(self, body: bytes, headers: dict[str, str], path: str = "/hooks/github/shop") -> tuple[int, Any]:
        return post(self.port, body, headers, path)

    def children(self) -> list[int]:
        return [
            int(one) for one in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    def forget_peak(self) -> int:
        """Begin to watch anew how much memory is used at most; return how much it is now."""
        for pid in self.children():
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        return self.peak()

    def peak(self) -> int:
        """Return the most memory that was in use at once, in bytes, since it was last forgotten."""
        said = [Path(f"/proc/{pid}/status").read_text() for pid in self.children()]
        return sum(int(one.partition("VmHWM:")[2].split()[0]) * 1024 for one in said)

    def kill(self) -> None:
        for pid in [self.process.pid, *self.children()]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


def post(port: int, body: bytes, headers: dict[str, str], path: str = "/hooks/github/shop") -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'slipway.db'}"
    upgrade(url)
    register(url)
    return url


def register(url: str) -> None:
    shop = Project(id=0, name="shop", url="https://github.com/acme/shop", forge=Forge.GITHUB, secret=SECRET)
    with opened(url) as database, database.begin() as session:
        projects.add(session, shop, at=datetime.now(UTC))


@pytest.fixture
def server(url: str) -> Iterator[Server]:
    with serving(url) as running:
        yield running


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.engine.dispose()


@contextmanager
def serving(url: str, workers: int = 1) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        "-b",
        f"127.0.0.1:{port}",
        "-w",
        str(workers),
        "-k",
        "gevent",
        "--log-level",
        "error",
    ]
    argv = [sys.executable, "-m", "gunicorn", *options, "--no-control-socket", "tests.inbox_app:served()"]
    process = subprocess.Popen(argv, cwd=ROOT, env=os.environ | {"INBOX_DATABASE": url})
    running = Server(port=port, url=url, process=process)
    try:
        wait_until(lambda: answers(port))
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(10)


def answers(port: int) -> bool:
    try:
        return post(port, b"", {"Content-Type": "application/json"}, "/hooks/github/nobody")[0] == 401
    except OSError:
        return False


def wait_until(true: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def push(number: int) -> bytes:
    return payload(after=f"{number:040x}", ref=f"refs/heads/b{number}")


def rows(url: str) -> dict[str, int]:
    tables = {"delivery": DeliveryRow, "run": RunRow, "job": JobRow, "message": MessageRow}
    with opened(url) as database, database.read() as session:
        return {name: session.scalar(select(func.count()).select_from(table)) or 0 for name, table in tables.items()}


def test_W10_a_body_that_says_it_is_too_large_is_413(server: Server) -> None:
    before = server.forget_peak()
    status, answer = server.post(b" " * (LIMIT + 1), {"Content-Type": "application/json"})
    assert (status, answer["code"]) == (413, "too_large")
    assert server.peak() - before < LIMIT / 2


def test_W10_an_endless_chunked_body_is_cut_with_413_and_bounded_memory(server: Server) -> None:
    before = server.forget_peak()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as stream:
        stream.sendall(HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        sent = 0
        try:
            while sent < 20 * LIMIT:
                stream.sendall(chunk)
                sent += 65536
        except OSError:
            pass
    assert sent < 4 * LIMIT
    assert server.peak() - before < 2 * LIMIT
    assert answers(server.port)


def test_W10_a_chunked_body_that_is_a_little_too_large_is_413(server: Server) -> None:
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as stream:
        stream.sendall(HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        stream.sendall(chunk * (LIMIT // 65536 + 1) + b"0\r\n\r\n")
        assert stream.recv(65536).startswith(b"HTTP/1.1 413")


def framed(framing: str) -> bytes:
    """Return a push that its project has signed, framed in other words, and a request hidden behind it."""
    body, headers = payload(), "".join(f"{name}: {value}\r\n" for name, value in signed(payload()).items())
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    said = framing.replace("N", str(len(body)), 1).replace("M", str(len(body) + 1))
    head = f"POST /hooks/github/shop HTTP/1.1\r\nHost: x\r\n{headers}{said}\r\n\r\n"
    hidden = b"GET /hooks/github/shop HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    return head.encode() + (chunks if "chunked" in framing else body) + hidden


def answered(server: Server, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as stream:
        stream.sendall(request)
        stream.shutdown(socket.SHUT_WR)
        said = b""
        while part := stream.recv(65536):
            said += part
    return said


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: N\r\nContent-Length: M",
        "Content-Length: M\r\nContent-Length: N",
        "Content-Length: N\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Content-Length: -N",
        "Content-Length: +N",
        "Content-Length: N, N",
        "Content-Length : N",
    ],
)
def test_W16_framing_tricks_get_at_most_one_answer_and_store_nothing(server: Server, framing: str) -> None:
    said = answered(server, framed(framing))
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"HTTP/1.1 2" not in said
    assert rows(server.url) == {"delivery": 0, "run": 0, "job": 0, "message": 0}


@pytest.mark.parametrize("framing", ["Content-Length: N", "Transfer-Encoding: chunked"])
def test_W16_the_same_push_without_a_trick_makes_a_run(server: Server, framing: str) -> None:
    said = answered(server, framed(framing))
    assert said.startswith(b"HTTP/1.1 202") and said.count(b"HTTP/1.1 ") == 2
    assert rows(server.url)["run"] == 1


def test_W4_header_bytes_that_are_no_text_are_401(server: Server) -> None:
    for value in (b"\xff\xfe", "é".encode(), b"sha256=" + b"\xc3" * 64):
        headers = signed(payload()) | {"X-Hub-Signature-256": value.decode("latin-1")}
        assert server.post(payload(), headers)[0] == 401


def test_W4_two_signature_headers_are_401_even_if_both_hold(server: Server) -> None:
    good = signed(payload())
    lines = "".join(f"{name}: {value}\r\n" for name, value in good.items())
    again = f"X-Hub-Signature-256: {good['X-Hub-Signature-256']}\r\n"
    head = f"POST /hooks/github/shop HTTP/1.1\r\nHost: x\r\n{lines}{again}Content-Length: {len(payload())}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as stream:
        stream.sendall(head.encode() + payload())
        assert stream.recv(65536).startswith(b"HTTP/1.1 401")


def burst(port: int, numbers: list[int]) -> list[tuple[int, int, Any]]:
    """Send each push twice, in a process of its own; return what was answered."""
    found = []
    for number in numbers:
        for _ in range(2):
            body = push(number)
            found.append((number, *post(port, body, signed(body, delivery=f"d-{number}"))))
    return found


def test_eight_processes_lose_no_delivery_and_double_no_run(database_url: str) -> None:
    url, numbers = database_url, list(range(1, 61))
    register(url)
    with serving(url, workers=2) as server, ProcessPoolExecutor(8) as pool:
        batches = [pool.submit(burst, server.port, numbers) for _ in range(8)]
        found = [one for batch in batches for one in batch.result()]
    assert {status for _, status, _ in found} == {200, 202}
    assert sum(status == 202 for _, status, _ in found) == len(numbers)
    assert all(len({tuple(answer["runs"]) for n, _, answer in found if n == number}) == 1 for number in numbers)
    assert rows(url) == {"delivery": 60, "run": 60, "job": 120, "message": 60}


def test_F28_whatever_was_answered_before_sigkill_is_in_the_database(url: str) -> None:
    accepted: dict[int, str] = {}

    def send(port: int, number: int) -> None:
        body = push(number)
        try:
            status, answer = post(port, body, signed(body, delivery=f"d-{number}"))
        except (OSError, HTTPException, ValueError):
            return
        assert status == 202
        accepted[number] = answer["runs"][0]

    with serving(url) as server, ThreadPoolExecutor(16) as pool:
        sending = [pool.submit(send, server.port, number) for number in range(1, 2_001)]
        wait_until(lambda: len(accepted) > 100)
        server.kill()
        for one in sending:
            one.result()
    assert 100 < len(accepted) < 2_000
    with opened(url) as database, database.read() as session:
        runs = {f"r{row.id}": row for row in session.scalars(select(RunRow))}
        jobs = set(session.scalars(select(JobRow.ref_id).where(JobRow.kind == "stage")))
        kept = set(session.scalars(select(DeliveryRow.key)))
    assert all(runs[run].revision == f"{number:040x}" for number, run in accepted.items())
    assert {f"d-{number}" for number in accepted} <= kept
    assert len(kept) == len(runs) == len(jobs)
    with serving(url) as server:
        body = push(next(iter(accepted)))
        status, answer = server.post(body, signed(body, delivery=f"d-{next(iter(accepted))}"))
        assert (status, answer["code"]) == (200, "duplicate")
