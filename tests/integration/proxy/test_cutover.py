"""Cut-over on a real HAProxy: what clients that keep their connections notice of it."""

import socket
import statistics
import threading
import time
from collections.abc import Callable

from pipeline.routes import Server
from runtime.haproxy_socket import MasterSocket
from tests.proxy_world import HOST, Answer, Load, World, draining, route, until

CUTOVERS = 40


def cut_over(world: World, old: Server, name: str) -> tuple[Server, float]:
    """Deploy as a worker does and return the new server and what the switch took, in seconds."""
    new = world.target(name)
    began = time.perf_counter()
    world.apply(route(new, draining(old)))
    took = time.perf_counter() - began
    until(lambda: world.proxy.sessions(1, old.name) == 0)
    world.apply(route(new))
    world.processes[old.name].kill()
    return new, took


def test_F47_forty_cutovers_under_load_lose_no_request(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    server = world.target("i1")
    world.apply(route(server))
    times = []
    with Load(world) as load:
        for number in range(2, CUTOVERS + 2):
            server, took = cut_over(world, server, f"i{number}")
            times.append(took)
    record_property("requests", load.answered)
    record_property("apply_ms", round(statistics.median(times) * 1000, 1))
    assert load.failures == []
    assert load.answered > 1000
    assert world.ask().text == f"i{CUTOVERS + 1}"
    assert statistics.median(times) < 0.03


def test_the_load_would_notice_an_old_server_that_is_killed_first(world: World) -> None:
    old = world.target("i1")
    world.apply(route(old))
    with Load(world) as load:
        until(lambda: load.answered > 200)
        world.processes["i1"].kill()
        new = world.target("i2")
        time.sleep(0.05)
        world.apply(route(new))
        until(lambda: world.ask().status == 200)
    assert len(load.failures) > 0


def test_a_slow_request_ends_on_the_draining_server_and_is_counted_until_then(world: World) -> None:
    old, new = world.target("i1"), world.target("i2")
    world.apply(route(old))
    answers: list[Answer] = []
    slow = threading.Thread(target=lambda: answers.append(world.ask(path="/slow?0.6")))
    slow.start()
    until(lambda: world.proxy.sessions(1, "i1") == 1)
    world.apply(route(new, draining(old)))
    assert {world.ask().text for _ in range(20)} == {"i2"}
    assert world.proxy.sessions(1, "i1") == 1
    slow.join()
    assert answers == [Answer(status=200, text="i1")]
    until(lambda: world.proxy.sessions(1, "i1") == 0)


def test_a_request_that_outlives_the_drain_is_cut_and_the_server_goes(world: World) -> None:
    old, new = world.target("i1"), world.target("i2")
    world.apply(route(old))
    answers: list[Answer] = []
    slow = threading.Thread(target=lambda: answers.append(world.ask(path="/slow?5")))
    slow.start()
    until(lambda: world.proxy.sessions(1, "i1") == 1)
    world.apply(route(new, draining(old)))
    world.apply(route(new))
    slow.join(timeout=3)
    assert [answer.status for answer in answers] == [502]
    assert "broke off" in answers[0].text
    assert "b1 1 i1" not in world.admin("show servers state")[0]


def test_a_tunnel_stays_open_while_its_server_drains(world: World) -> None:
    old, new = world.target("i1"), world.target("i2")
    world.apply(route(old))
    with socket.create_connection(("127.0.0.1", world.port), timeout=5) as tunnel:
        tunnel.sendall(f"GET /ws HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n".encode())
        assert b" 101 " in tunnel.recv(4096)
        world.apply(route(new, draining(old)))
        tunnel.sendall(b"still there?")
        assert tunnel.recv(4096) == b"still there?"
        assert world.proxy.sessions(1, "i1") == 1
        world.apply(route(new))
        assert tunnel.recv(4096) == b""


def test_growing_past_the_spare_backends_reloads_without_loss(world: World) -> None:
    server = world.target("i1")
    world.apply(route(server))
    answers: list[Answer] = []
    slow = threading.Thread(target=lambda: answers.append(world.ask(path="/slow?4")))
    slow.start()
    until(lambda: world.proxy.sessions(1, "i1") == 1)
    with Load(world) as load:
        until(lambda: load.answered > 200)
        for number in (40, 70, 100):
            world.apply(route(server), route(world.target(f"i{number}"), number=number, hosts=(f"r{number}.test",)))
            assert world.ask(f"r{number}.test").text == f"i{number}"
            goal = load.answered + 200
            while load.answered < goal:
                time.sleep(0.002)
        assert world.proxy.sessions(1, "i1") >= 1
    assert load.failures == []
    slow.join()
    assert answers == [Answer(status=200, text="i1")]


def test_an_old_worker_whose_idle_clients_may_return_keeps_its_servers_counted(world: World) -> None:
    server = world.target("i1")
    world.apply(route(server))
    master = MasterSocket(world.home / "run" / "haproxy-master.sock")
    with socket.create_connection(("127.0.0.1", world.port), timeout=5) as client:
        request = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
        client.sendall(request)
        assert client.recv(4096).endswith(b"i1")
        assert world.proxy.sessions(1, "i1") == 0
        world.apply(route(server), route(number=33, hosts=("other.test",)))
        assert len(master.old_workers()) == 1
        assert world.proxy.sessions(1, "i1") == 1
        client.sendall(request)
        assert client.recv(4096).endswith(b"i1")
        assert client.recv(4096) == b""
    until(lambda: not master.old_workers())
    assert world.proxy.sessions(1, "i1") == 0
