"""The files and the running proxy: always the same picture, whatever happened to either."""

import os
import signal
import sys
import threading
import time

import pytest

from pipeline.errors import Rejected, Unavailable
from pipeline.routes import Route, Routes, Server
from runtime import haproxy_socket
from runtime.files import locked
from runtime.haproxy import Haproxy
from tests.proxy_world import HOST, World, draining, free_port, route

SERVER = Server(name="i1", address="127.0.0.1", port=9)


def test_F48_after_a_kill_and_a_restart_the_proxy_serves_the_same(world: World) -> None:
    old, new = world.target("i1"), world.target("i2")
    world.apply(route(new, draining(old)))
    world.kill()
    world.start()
    assert {world.ask().text for _ in range(4)} == {"i2"}
    assert "i1" not in world.admin("show servers state")[0]


def test_what_is_applied_while_the_proxy_is_down_is_served_when_it_starts(world: World) -> None:
    world.apply(route(world.target("i1")))
    world.kill()
    world.apply(route(world.target("i2")))
    assert world.proxy.sessions(1, "i2") == 0
    world.start()
    assert world.ask().text == "i2"


def test_what_is_applied_before_the_first_start_is_served_then(idle: World) -> None:
    idle.apply(route(idle.target("i1")))
    idle.start()
    assert idle.ask().text == "i1"


def test_a_restart_on_another_port_keeps_the_routes(world: World) -> None:
    world.apply(route(world.target("i1")))
    world.kill()
    world.port = free_port()
    world.front = type(world.front)(address="127.0.0.1", port=world.port, web_port=world.web_port)
    world.start()
    assert world.ask().text == "i1"


def test_apply_repairs_whatever_differs(world: World) -> None:
    first, second = world.target("i1"), world.target("i2")
    routes = (route(first, second), route(number=2, hosts=("empty.test",)))
    world.apply(*routes)
    world.admin(
        "set server b1/i1 state maint",
        "set server b1/i2 state maint",
        "del server b1/i2",
        f"set map hosts.map {HOST} b2",
        "del map hosts.map empty.test",
        "add map hosts.map stranger.test b1",
        "add server b2/i9 127.0.0.1:9",
    )
    assert world.ask().status == 503
    world.apply(*routes)
    assert {world.ask().text for _ in range(4)} == {"i1", "i2"}
    assert world.ask("stranger.test").status == 404
    assert world.ask("empty.test").status == 503
    assert "i9" not in world.admin("show servers state")[0]


def test_a_server_that_was_told_to_drain_can_be_opened_again(world: World) -> None:
    server = world.target("i1")
    world.apply(route(draining(server)))
    assert world.ask().status == 503
    world.apply(route(server))
    world.apply(route(draining(server)))
    assert world.ask().status == 503
    world.apply(route(server))
    assert world.ask().text == "i1"


def test_a_server_whose_address_changed_is_replaced(world: World) -> None:
    world.apply(route(world.target("i1")))
    moved = world.target("i2")
    world.apply(route(Server(name="i1", address=moved.address, port=moved.port)))
    assert world.ask().text == "i2"


def test_a_route_that_is_gone_is_forgotten(world: World) -> None:
    world.apply(route(world.target("i1")))
    world.apply()
    assert world.ask().status == 404
    assert "i1" not in world.admin("show servers state")[0]


def test_applying_the_same_twice_writes_nothing(world: World) -> None:
    server = world.target("i1")
    world.apply(route(server))
    before = [path.stat().st_mtime_ns for path in sorted((world.home / "proxy").iterdir())]
    world.apply(route(server))
    assert [path.stat().st_mtime_ns for path in sorted((world.home / "proxy").iterdir())] == before


@pytest.mark.parametrize(
    "bad",
    [
        route(SERVER, hosts=('a"b.slipway.test',)),
        route(SERVER, hosts=("a'b.slipway.test",)),
        route(SERVER, hosts=("a#b.slipway.test",)),
        route(SERVER, hosts=("a.test b1\nb.test",)),
        route(SERVER, hosts=("a.test\n",)),
        route(SERVER, hosts=("A.slipway.test",)),
        route(SERVER, hosts=("",)),
        route(SERVER, hosts=(f"{'a' * 64}.test",)),
        route(SERVER, hosts=(".".join(["a" * 50] * 6),)),
        route(SERVER, hosts=("slipway.localhost",)),
        route(SERVER, hosts=("twice.test", "twice.test")),
        route(Server(name='i1"', address="127.0.0.1", port=9)),
        route(Server(name="i1 127.0.0.1:9\n", address="127.0.0.1", port=9)),
        route(Server(name="i1", address="127.0.0.1 check", port=9)),
        route(Server(name="i1", address="localhost", port=9)),
        route(Server(name="i1", address="fe80::1%x y", port=9)),
        route(Server(name="i1", address="127.0.0.1", port=0)),
        route(SERVER, number=0),
    ],
)
def test_P1_a_value_that_could_change_the_configuration_is_refused_and_nothing_changes(
    world: World, bad: Route
) -> None:
    good = route(world.target("i7"), number=7, hosts=("good.test",))
    world.apply(good)
    before = world.files()
    with pytest.raises(Rejected):
        world.apply(good, bad)
    assert world.files() == before
    assert world.ask("good.test").text == "i7"


def test_F49_a_configuration_that_haproxy_refuses_leaves_the_old_one(world: World) -> None:
    good = route(world.target("i1"))
    world.apply(good)
    before = world.files()
    proxy = Haproxy(directory=world.home / "proxy", run=world.home / "run", binary="/bin/false")
    with pytest.raises(Unavailable) as fault:
        proxy.apply(lambda: Routes(routes=(good, route(number=99, hosts=("new.test",)))))
    assert fault.value.code == "proxy_config"
    assert world.files() == before
    assert world.ask().text == "i1"


def test_a_machine_without_haproxy_says_so(idle: World) -> None:
    proxy = Haproxy(directory=idle.home / "proxy", run=idle.home / "run", binary="/nonexistent/haproxy")
    with pytest.raises(Unavailable) as fault:
        proxy.write_config(idle.front)
    assert fault.value.code == "program_missing"


def test_a_home_too_deep_for_a_socket_is_refused(idle: World) -> None:
    proxy = Haproxy(directory=idle.home / "proxy", run=idle.home / ("d" * 90))
    with pytest.raises(Rejected) as fault:
        proxy.write_config(idle.front)
    assert fault.value.code == "bad_path"


def test_a_damaged_picture_stops_an_apply_and_a_restart_writes_it_anew(world: World) -> None:
    (world.home / "proxy" / "routes.json").write_text("{")
    with pytest.raises(Unavailable) as fault:
        world.apply(route(world.target("i1")))
    assert fault.value.code == "proxy_picture"
    world.kill()
    world.start()
    world.apply(route(world.target("i1")))
    assert world.ask().text == "i1"


def test_growing_without_a_master_is_an_error_of_ours_and_what_serves_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(haproxy_socket, "BACK_WITHIN", 0.1)
    good = route(world.target("i1"))
    world.apply(good)
    master = world.home / "run" / "haproxy-master.sock"
    master.rename(master.with_suffix(".away"))
    with pytest.raises(Unavailable) as fault:
        world.apply(good, route(number=33, hosts=("new.test",)))
    assert fault.value.code == "proxy_unavailable"
    assert world.ask().text == "i1"
    master.with_suffix(".away").rename(master)
    world.apply(good, route(world.target("i33"), number=33, hosts=("new.test",)))
    assert world.ask("new.test").text == "i33"


def test_a_proxy_that_hangs_is_an_error_of_ours_within_the_deadline(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(haproxy_socket, "ANSWER_WITHIN", 0.2)
    worker = int(next(line.split()[1] for line in world.admin("show info")[0].splitlines() if line.startswith("Pid:")))
    os.kill(worker, signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable) as fault:
            world.apply(route(SERVER))
        assert world.proxy.sessions(1, "i1") == 1, "nobody can tell, so it may not be taken away yet"
    finally:
        os.kill(worker, signal.SIGCONT)
    assert fault.value.code == "proxy_unavailable"


def test_routes_are_read_only_once_nobody_else_is_applying(world: World) -> None:
    stale, fresh = world.target("i1"), world.target("i2")
    truth = [route(stale)]
    with locked(world.home / "run" / "proxy.lock", 1):
        waiting = threading.Thread(target=lambda: world.proxy.apply(lambda: Routes(routes=tuple(truth))))
        waiting.start()
        time.sleep(0.1)
        truth[0] = route(fresh)
    waiting.join()
    assert world.ask().text == "i2"


APPLIER = """
import sys
from pathlib import Path
from pipeline.routes import Route, Routes, Server
from runtime.haproxy import Haproxy
home, first = Path(sys.argv[1]), int(sys.argv[2])
proxy = Haproxy(directory=home / "proxy", run=home / "run")
def read():
    number = int((home / "truth").read_text())
    server = Server(name=f"i{number}", address="127.0.0.1", port=number)
    return Routes(routes=(Route(id=number % 40 + 1, hosts=(f"h{number}.test",), servers=(server,)),))
for number in range(first, first + 20):
    mine = home / f"truth.{first}"
    mine.write_text(str(number))
    mine.rename(home / "truth")
    proxy.apply(read)
"""


def test_two_processes_that_apply_at_once_end_with_what_is_true(world: World) -> None:
    start = (sys.executable, "-c", APPLIER, str(world.home))
    appliers = [world.run(*start, first, quiet=True) for first in ("1000", "2000")]
    assert [applier.wait(timeout=30) for applier in appliers] == [0, 0]
    number = int((world.home / "truth").read_text())
    servers = [line.split()[3] for line in world.admin("show servers state")[0].splitlines()[2:]]
    assert [server for server in servers if server != "web"] == [f"i{number}"]
    assert f"h{number}.test b{number % 40 + 1}\n".encode() in world.files()["hosts.map"]
    assert f"    server i{number} ".encode() in world.files()["haproxy.cfg"]
    assert world.files()["haproxy.cfg"].count(b"    server i") == 1
