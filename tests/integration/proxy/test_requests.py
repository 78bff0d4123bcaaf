"""What the proxy lets through, what it adds, and what it says by itself."""

import json
import re
import socket
import sys
from collections.abc import Iterator

import pytest

from pipeline.routes import Server
from runtime.haproxy_socket import statistics
from tests.proxy_world import DASHBOARD, HOST, World, accepts, free_port, route, until

POST = f"POST /first HTTP/1.1\r\nHost: {HOST}\r\n"
HIDDEN = f"GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
TRICKS = {
    "two lengths": POST + f"Content-Length: 0\r\nContent-Length: {len(HIDDEN)}\r\n\r\n" + HIDDEN,
    "two lengths in one": POST + f"Content-Length: 0, {len(HIDDEN)}\r\n\r\n" + HIDDEN,
    "a signed length": POST + "Content-Length: +0\r\n\r\n" + HIDDEN,
    "a negative length": POST + "Content-Length: -1\r\n\r\n" + HIDDEN,
    "a length in hex": POST + "Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "a blank before the colon": POST + f"Content-Length : {len(HIDDEN)}\r\n\r\n" + HIDDEN,
    "an unknown encoding": POST + f"Transfer-Encoding: xchunked\r\nContent-Length: {len(HIDDEN)}\r\n\r\n" + HIDDEN,
    "an encoding with a tab": POST + f"Transfer-Encoding:\x0bchunked\r\nContent-Length: {len(HIDDEN)}\r\n\r\n" + HIDDEN,
    "two encodings": POST + f"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\nContent-Length: {len(HIDDEN)}"
    "\r\n\r\n" + HIDDEN,
    "a chunk without a size": POST + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + HIDDEN,
    "a chunk with a huge size": POST + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + HIDDEN,
    "a chunk size with a bare line feed": POST + "Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n" + HIDDEN,
    "a null in a header": POST + f"X: \x00\r\nContent-Length: {len(HIDDEN)}\r\n\r\n" + HIDDEN,
    "an empty header name": POST + f": x\r\nContent-Length: {len(HIDDEN)}\r\n\r\n" + HIDDEN,
    "a carriage return in a name": POST + f"Content\rLength: 0\r\nContent-Length: {len(HIDDEN)}\r\n\r\n" + HIDDEN,
}


@pytest.fixture
def behind(world: World) -> Iterator[World]:
    """A world whose route leads to gunicorn, which is also the strictest parser an application may have."""
    port = free_port()
    argv = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "--no-control-socket"]
    world.run(*argv, "tests.proxy_app:app")
    until(lambda: accepts(port), within=10)
    world.apply(route(Server(name="i1", address="127.0.0.1", port=port)))
    yield world


def test_W16_no_framing_trick_gets_more_than_one_answer(behind: World) -> None:
    for trick, raw in TRICKS.items():
        answers = re.findall(rb"HTTP/1\.[01] (\d{3})", say(behind, raw))
        assert len(answers) <= 1, trick
    assert "/smuggled" not in json.loads(behind.ask().text)["seen"]


def test_W16_the_application_never_sees_a_request_that_the_proxy_did_not_count(behind: World) -> None:
    """A folded line is part of the header before it, so what follows is a second request: for both, or for neither."""
    for raw in (*TRICKS.values(), POST + f"X: y\r\n Content-Length: {len(HIDDEN)}\r\n\r\n" + HIDDEN):
        say(behind, raw)
    seen = json.loads(behind.ask().text)["seen"]
    passed = statistics(behind.admin("show stat b1 2 -1")[0], "BACKEND")["req_tot"]
    assert len(seen) <= int(passed)
    assert seen.count("/smuggled") == 1


def test_W16_both_a_length_and_an_encoding_reach_the_application_as_one(behind: World) -> None:
    body = "0\r\n\r\n"
    say(behind, POST + f"Content-Length: {len(body)}\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n" + body)
    assert json.loads(behind.ask().text)["seen"] == ["/first", "/"]


def test_W17_what_a_client_says_of_itself_never_reaches_the_application(behind: World) -> None:
    spoofed = {
        "X-Forwarded-For": "6.6.6.6",
        "x-forwarded-host": "evil.test",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "6666",
        "X-Forwarded-Prefix": "/6666",
        "X-Forwarded-Server": "6666",
        "X_Forwarded_For": "6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
    }
    told = json.loads(behind.ask(HOST, "/", **spoofed).text)["told"]
    assert not [key for key, value in told.items() if "6.6.6" in value or "evil" in value or "6666" in value]
    assert told["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert told["HTTP_X_FORWARDED_HOST"] == HOST
    assert told["HTTP_X_FORWARDED_PROTO"] == "http"
    assert told["HTTP_X_FORWARDED_PORT"] == str(behind.port)


def test_an_unknown_host_gets_a_page_that_names_it_and_the_dashboard(world: World) -> None:
    answer = world.ask("nobody.slipway.test")
    assert answer.status == 404
    assert "no application is called nobody.slipway.test here" in answer.text
    assert f"http://{DASHBOARD}:{world.port}/" in answer.text


def test_a_host_that_is_no_name_is_not_repeated(world: World) -> None:
    answer = world.ask("<script>alert(1)</script>")
    assert (answer.status, "script" in answer.text) == (404, False)
    assert "no application has that name here" in answer.text


def test_a_route_without_a_server_says_so(world: World) -> None:
    world.apply(route())
    answer = world.ask()
    assert answer.status == 503
    assert "no container of this application is answering" in answer.text


def test_a_server_that_nobody_listens_on_says_the_same(world: World) -> None:
    world.apply(route(Server(name="i1", address="127.0.0.1", port=free_port())))
    assert "no container of this application is answering" in world.ask().text


@pytest.mark.parametrize("host", [HOST, HOST.upper(), f"{HOST}:8080", f"{HOST}."])
def test_a_name_leads_to_its_route_however_it_is_written(world: World, host: str) -> None:
    world.apply(route(world.target("i1")))
    assert world.ask(host).text == "i1"


def test_the_dashboard_is_served_by_the_web_process(world: World) -> None:
    world.target("i99", world.web_port)
    assert world.ask(DASHBOARD).text == "i99"
    world.apply(route(world.target("i1")))
    assert world.ask(DASHBOARD).text == "i99"


def test_the_sockets_are_for_their_owner_only(world: World) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in (world.home / "run").glob("*.sock")}
    assert modes == dict.fromkeys(("haproxy.sock", "haproxy-master.sock", "haproxy-door.sock"), 0o600)


def say(world: World, raw: str) -> bytes:
    """Send bytes as they are and return all that comes back before the proxy hangs up or falls silent."""
    with socket.create_connection(("127.0.0.1", world.port), timeout=5) as client:
        client.sendall(raw.encode("latin-1"))
        client.settimeout(0.15)
        answer = b""
        try:
            while received := client.recv(65536):
                answer += received
        except TimeoutError:
            pass
        return answer


def test_D8_what_containers_ask_leads_to_applications_and_never_to_the_dashboard(world: World) -> None:
    world.apply(route(world.target("i1")))
    assert [inside(world, host) for host in (HOST, DASHBOARD, DASHBOARD.upper(), "other.test")] == [200, 404, 404, 404]
    assert world.ask(DASHBOARD).status == 503, "for others it leads to the web process, which is down here"


def inside(world: World, host: str) -> int:
    """Return the status that a container gets."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(60)
        wire.connect(str(world.home / "run" / "haproxy-door.sock"))
        wire.sendall(f"PROXY TCP4 10.1.2.3 10.1.2.1 999 80\r\nGET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        return int(b"".join(iter(lambda: wire.recv(4096), b"")).split()[1])
