"""Containers on the real engine: started, adopted, run to their end, watched, removed."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from pipeline.containers import HOME, ContainerSpec, ContainerState, Limits
from pipeline.errors import Cancelled, StageFailed, Unavailable
from runtime.engine import DockerEngine
from runtime.stopping import Grace
from tests.engine_things import Context, Spec, never

HOST_LIMITS = Limits(seconds=60, silence=30)


@pytest.fixture
def name(home: str, request: pytest.FixtureRequest) -> str:
    return f"{home}-{request.node.name[:40].strip('[]').replace('[', '-')}"


@pytest.fixture(scope="module")
def network(engine: DockerEngine, home: str) -> Iterator[str]:
    yield engine.network(f"{home}-containers", {})
    engine.remove_network(f"{home}-containers")


@pytest.fixture(scope="module")
def api(host: str) -> Iterator[docker.APIClient]:
    with docker.APIClient(base_url=host, version="1.41") as client:
        yield client


def sh(name: str, image: str, script: str, **more: Any) -> ContainerSpec:
    return ContainerSpec(name=name, image=image, command=("sh", "-c", script), **more)


def run(
    engine: DockerEngine, spec: ContainerSpec, limits: Limits = HOST_LIMITS, stop: Callable[[], bool] = never
) -> tuple[int, list[str]]:
    lines: list[str] = []
    return engine.run(spec, lines.append, limits, stop), lines


def seen(engine: DockerEngine, name: str) -> ContainerState:
    state = engine.look(name)
    assert state is not None
    return state


def test_a_run_gives_its_exit_code_and_both_streams_and_leaves_nothing(
    engine: DockerEngine, image: str, name: str
) -> None:
    code, lines = run(engine, sh(name, image, "echo out; echo err >&2; printf 'no end'; exit 7"))
    assert code == 7
    assert sorted(lines) == ["err", "no end", "out"]
    assert engine.look(name) is None


def test_lines_come_in_order_and_whole_whatever_their_size(engine: DockerEngine, image: str, name: str) -> None:
    script = (
        "for i in $(seq 3000); do echo line $i; done; head -c 40000 /dev/zero | tr '\\0' x; echo; printf '\\377\\n'"
    )
    code, lines = run(engine, sh(name, image, script))
    assert code == 0
    assert lines[:3000] == [f"line {i}" for i in range(1, 3001)]
    assert [len(line) for line in lines[3000:-1]] == [16384, 16384, 40000 - 2 * 16384]
    assert lines[-1] == "�"


def test_nothing_a_fast_exit_wrote_is_lost(engine: DockerEngine, image: str, home: str) -> None:
    def once(number: int) -> list[str]:
        return run(engine, sh(f"{home}-fast-{number}", image, "echo first; echo last"))[1]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(once, range(24))) == [["first", "last"]] * 24


def test_the_variables_limits_and_labels_are_what_was_asked_for(
    engine: DockerEngine, image: str, name: str, api: docker.APIClient, home: str
) -> None:
    spec = sh(name, image, "sleep 60", env={"A": "1 2"}, labels={"x": "y", HOME: "other"}, memory=64 * 2**20, pids=99)
    engine.start(spec)
    found = api.inspect_container(name)
    host = found["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (64 * 2**20, 64 * 2**20, 99)
    assert (host["Init"], host["SecurityOpt"]) == (True, ["no-new-privileges"])
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}}
    assert (host["Privileged"], host["Binds"], host["NetworkMode"]) == (False, None, "none")
    assert host["RestartPolicy"]["Name"] == "no"
    assert "A=1 2" in found["Config"]["Env"]
    assert (found["Config"]["Labels"]["x"], found["Config"]["Labels"][HOME]) == ("y", home)
    engine.remove(name, grace=0)


def test_a_run_over_its_time_is_stopped_and_removed(engine: DockerEngine, image: str, name: str) -> None:
    with pytest.raises(StageFailed, match=r"`while .*` took longer than 1 s and was stopped") as failed:
        run(engine, sh(name, image, "while true; do echo tick; sleep 0.1; done"), Limits(seconds=1, silence=9))
    assert (failed.value.code, failed.value.tail[-1]) == ("timeout", "tick")
    assert engine.look(name) is None


@pytest.mark.parametrize("script", ["sleep 60", "exec >&- 2>&-; sleep 60"], ids=["open", "closed"])
def test_a_run_that_says_nothing_is_stopped(engine: DockerEngine, image: str, name: str, script: str) -> None:
    with pytest.raises(StageFailed, match=r"said nothing for 0\.8 s and was stopped") as failed:
        run(engine, sh(name, image, f"echo begun; {script}"), Limits(seconds=30, silence=0.8))
    assert (failed.value.code, failed.value.tail) == ("silent", ("begun",))
    assert engine.look(name) is None


def test_a_run_that_is_called_off_stops_within_half_a_second(engine: DockerEngine, image: str, name: str) -> None:
    stop = threading.Event()
    lines: list[str] = []
    began: list[float] = []

    def hear(line: str) -> None:
        lines.append(line)
        began.append(time.monotonic())
        stop.set()

    with pytest.raises(Cancelled):
        engine.run(sh(name, image, "echo begun; sleep 60"), hear, HOST_LIMITS, stop.is_set)
    assert time.monotonic() - began[0] < 0.9
    assert engine.look(name) is None


def test_F38_a_command_that_is_called_off_may_say_its_last_words(engine: DockerEngine, image: str, name: str) -> None:
    stop = threading.Event()
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        stop.set()

    script = "trap '' INT; trap 'echo saved; exit 3' TERM; echo begun; while true; do sleep 0.1; done"
    with pytest.raises(Cancelled):
        engine.run(sh(name, image, script), hear, HOST_LIMITS, stop.is_set)
    assert lines == ["begun", "saved"]
    assert engine.look(name) is None


def test_F38_a_command_that_hears_nothing_is_killed(home: str, host: str, image: str, name: str) -> None:
    hasty = DockerEngine(host, home, "10.214.0.0/16", grace=Grace(interrupt=0.2, terminate=0.2))
    script = "trap '' INT TERM; echo begun; while true; do sleep 0.1; done"
    with pytest.raises(StageFailed) as failed:
        hasty.run(sh(name, image, script), lambda _line: None, Limits(seconds=1, silence=9), lambda: False)
    assert (failed.value.code, hasty.look(name)) == ("timeout", None)


def test_F38_what_a_command_says_after_its_time_is_in_the_tail(engine: DockerEngine, image: str, name: str) -> None:
    script = "trap 'echo interrupted; exit 1' INT; echo begun; while true; do sleep 0.1; done"
    with pytest.raises(StageFailed) as failed:
        run(engine, sh(name, image, script), Limits(seconds=1, silence=9))
    assert failed.value.tail == ("begun", "interrupted")


def test_a_run_goes_on_after_its_output_is_closed(engine: DockerEngine, image: str, name: str) -> None:
    assert run(engine, sh(name, image, "exec >&- 2>&-; sleep 0.8; exit 5"))[0] == 5


def test_a_run_that_needs_too_much_memory_says_so(engine: DockerEngine, image: str, name: str) -> None:
    with pytest.raises(StageFailed, match="needed more memory than its limit of 32 MiB") as failed:
        run(engine, sh(name, image, "a=x; while true; do a=$a$a; done", memory=32 * 2**20))
    assert failed.value.code == "out_of_memory"


@pytest.mark.parametrize(
    ("command", "sentence"), [("/nosuch", "`/nosuch` is not in the image"), ("/etc", "`/etc` cannot be executed")]
)
def test_a_command_that_is_not_there_fails_with_a_sentence(
    engine: DockerEngine, image: str, name: str, command: str, sentence: str
) -> None:
    with pytest.raises(StageFailed) as failed:
        run(engine, ContainerSpec(name=name.replace("/", ""), image=image, command=(command,)))
    assert (failed.value.sentence, failed.value.code) == (sentence, "cannot_start")


def test_a_script_that_ends_with_127_by_itself_is_just_that(engine: DockerEngine, image: str, name: str) -> None:
    assert run(engine, sh(name, image, "nosuchcommand"))[0] == 127


def test_an_image_that_is_nowhere_is_unavailable(engine: DockerEngine, name: str) -> None:
    with pytest.raises(Unavailable) as failed:
        run(engine, sh(name, "nosuch-image-at-all:1", "true"))
    assert failed.value.code == "image_lost"


def test_a_user_that_is_not_in_the_image_fails_the_stage(
    engine: DockerEngine, context: Context, spec: Spec, name: str
) -> None:
    wanted = spec()
    engine.build(
        wanted, context("FROM scratch\nCOPY busybox /bin/sh\nUSER nosuch\n"), lambda _line: None, HOST_LIMITS, never
    )
    with pytest.raises(StageFailed) as failed:
        engine.start(sh(name, wanted.reference, "true"))
    assert failed.value.code == "cannot_start"
    assert engine.look(name) is None


def test_a_leftover_of_the_same_name_makes_room(engine: DockerEngine, image: str, name: str) -> None:
    engine.start(sh(name, image, "sleep 60"))
    assert run(engine, sh(name, image, "echo anew")) == (0, ["anew"])


def test_a_line_that_cannot_be_kept_removes_the_container_all_the_same(
    engine: DockerEngine, image: str, name: str
) -> None:
    def full(_line: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        engine.run(sh(name, image, "echo x; sleep 60"), full, HOST_LIMITS, never)
    assert engine.look(name) is None


def test_started_twice_is_started_once(engine: DockerEngine, image: str, name: str, network: str) -> None:
    spec = sh(name, image, "sleep 60", network=network, aliases=("web",), keep_running=True)
    first = engine.start(spec)
    assert (first.running, first.exit_code, first.name) == (True, None, name)
    assert first.address.startswith("10.214.")
    assert engine.start(spec) == first
    assert engine.look(name) == first
    assert engine.containers({HOME: "another"}) == engine.containers({})
    assert first in engine.containers({})
    engine.remove(name, grace=5)
    assert engine.look(name) is None


def test_many_who_start_the_same_get_the_same(engine: DockerEngine, image: str, name: str, network: str) -> None:
    spec = sh(name, image, "sleep 60", network=network)
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda _number: engine.start(spec), range(4)))
    assert started == [engine.look(name)] * 4
    engine.remove(name, grace=0)


def test_one_that_has_ended_is_started_anew(engine: DockerEngine, image: str, name: str) -> None:
    spec = sh(name, image, "exit 3")
    first = engine.start(spec)
    assert until(lambda: not seen(engine, name).running)
    assert seen(engine, name).exit_code == 3
    assert engine.start(spec).id != first.id
    engine.remove(name, grace=0)


def test_an_alias_is_known_on_the_network_and_the_address_is_that_networks(
    engine: DockerEngine, image: str, name: str, network: str, api: docker.APIClient
) -> None:
    engine.start(sh(f"{name}-web", image, "sleep 60", network=network, aliases=("web",)))
    other = engine.network(f"{name}-other", {})
    api.connect_container_to_network(f"{name}-web", other)
    address = seen(engine, f"{name}-web").address
    code, lines = run(engine, sh(name, image, "nslookup web 127.0.0.11 | grep -c " + address, network=network))
    assert (code, lines) == (0, ["1"])
    engine.remove(f"{name}-web", grace=0)
    engine.remove_network(other)


def test_a_container_that_is_not_ours_is_never_touched(
    engine: DockerEngine, image: str, name: str, api: docker.APIClient
) -> None:
    # It inherits the home's label from our image, as one started by hand would.
    foreign = api.create_container(image, ["sleep", "60"], name=name)["Id"]
    try:
        assert engine.look(name) is None
        assert all(one.name != name for one in engine.containers({}))
        for act in (
            lambda: engine.start(sh(name, image, "true")),
            lambda: run(engine, sh(name, image, "true")),
            lambda: engine.remove(name, grace=0),
        ):
            with pytest.raises(Unavailable, match="not Slipway's") as failed:
                act()
            assert failed.value.code == "name_taken"
        assert api.inspect_container(name)["Id"] == foreign
    finally:
        api.remove_container(foreign, force=True)


def test_removing_waits_for_an_orderly_end_and_is_done_however_often(
    engine: DockerEngine, image: str, name: str
) -> None:
    engine.start(sh(name, image, "trap 'exit 0' TERM; while true; do sleep 0.05; done"))
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _number: engine.remove(name, grace=10), range(3)))
    assert time.monotonic() - began < 3
    assert engine.look(name) is None
    engine.remove(name, grace=10)


def test_the_tail_is_the_last_lines(engine: DockerEngine, image: str, name: str) -> None:
    engine.start(sh(name, image, "for i in $(seq 50); do echo $i; done; sleep 60"))
    assert until(lambda: engine.tail(name, 3) == ("48", "49", "50"))
    assert engine.tail(name, 0) == ()
    engine.remove(name, grace=0)
    assert engine.tail(name, 3) == ()


@pytest.mark.usefixtures("refusing")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_is_down_is_unavailable(home: str) -> None:
    down = DockerEngine("unix:///nonexistent.sock", home, "10.0.0.0/16")
    spec = sh("x", "y", "true")
    for act in (
        lambda: down.start(spec),
        lambda: run(down, spec),
        lambda: down.look("x"),
        lambda: down.tail("x", 1),
        lambda: down.remove("x", grace=0),
        lambda: down.containers({}),
        lambda: down.network("x", {}),
        lambda: down.image("x"),
        down.builder,
    ):
        with pytest.raises(Unavailable) as failed:
            act()
        assert failed.value.code == "engine_unavailable"


@pytest.mark.usefixtures("refusing")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_goes_away_in_the_middle_is_unavailable(
    engine: DockerEngine, image: str, home: str, host: str, *, name: str, tmp_path: Path
) -> None:
    with relay(str(tmp_path / "relay.sock"), host.removeprefix("unix://")) as (address, cut):
        relayed = DockerEngine(f"unix://{address}", home, "10.214.0.0/16")
        with pytest.raises(Unavailable) as failed:
            relayed.run(sh(name, image, "echo begun; sleep 60"), lambda _line: cut(), HOST_LIMITS, never)
    assert failed.value.code == "engine_unavailable"
    engine.remove(name, grace=0)


@contextmanager
def relay(address: str, target: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Pass connections on to a socket until they are cut."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    pairs: list[socket.socket] = []

    def copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def serve() -> None:
        while True:
            try:
                near = listener.accept()[0]
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(target)
            pairs.extend((near, far))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=copy, args=ends, daemon=True).start()

    def cut() -> None:
        for one in (listener, *pairs):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        yield address, cut
    finally:
        cut()
        server.join(2)
        for one in (listener, *pairs):
            one.close()


def until(true: Callable[[], bool], seconds: float = 5) -> bool:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False
