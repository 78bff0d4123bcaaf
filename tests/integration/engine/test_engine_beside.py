"""What tests need of the engine beyond running: commands and files in containers, shared and separate networks."""

import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest

from pipeline.containers import HOME, ContainerSpec, Limits
from pipeline.errors import Cancelled, StageFailed
from pipeline.ports import Execution
from runtime.engine import DockerEngine
from tests.engine_things import never

LIMITS = Limits(seconds=60, silence=30)
WORK = Execution(stop=never)
Start = Callable[..., ContainerSpec]


@pytest.fixture
def start(engine: DockerEngine, home: str, image: str) -> Iterator[Start]:
    """Return what starts a container that sleeps, or runs a script; all are removed in the end."""
    started: list[str] = []

    def make(name: str, script: str = "sleep 600", **more: object) -> ContainerSpec:
        spec = ContainerSpec(name=f"{home}-{name}", image=image, command=("sh", "-c", script), **more)  # type: ignore[arg-type]
        started.append(spec.name)
        engine.start(spec)
        return spec

    yield make
    for name in reversed(started):
        engine.remove(name, grace=0)


def test_a_command_in_a_container_reads_writes_and_ends(engine: DockerEngine, start: Start) -> None:
    name, lines = start("exec").name, []  # type: ignore[var-annotated]
    data = b"".join(b"%d\n" % number for number in range(200_000))
    work = Execution(stop=never, stdin=data)
    assert engine.execute(name, ("sh", "-c", "md5sum; wc -c; exit 3"), lines.append, LIMITS, work) == 3
    assert engine.execute(name, ("sh", "-c", "wc -l"), lines.append, LIMITS, work) == 0
    assert engine.execute(name, ("true",), lines.append, LIMITS, work) == 0
    assert lines[-1].strip() == "200000"


def test_a_command_in_a_container_keeps_its_limits(engine: DockerEngine, start: Start) -> None:
    name = start("limits").name
    with pytest.raises(StageFailed, match=r"took longer than 0\.5 s"):
        engine.execute(name, ("sleep", "60"), print, Limits(seconds=0.5, silence=30), WORK)
    with pytest.raises(Cancelled):
        engine.execute(name, ("sleep", "60"), print, LIMITS, Execution(stop=lambda: True))
    with pytest.raises(StageFailed, match="no container to run in"):
        engine.execute(f"{name}-not", ("true",), print, LIMITS, WORK)


def test_files_go_in_and_what_a_command_left_comes_out(engine: DockerEngine, start: Start, home: str) -> None:
    name = start("files").name
    engine.put(name, "/slipway/db/dump.sql", b"SELECT 1;\n")
    lines: list[str] = []
    assert engine.execute(name, ("cat", "/slipway/db/dump.sql"), lines.append, LIMITS, WORK) == 0
    assert lines == ["SELECT 1;"]
    with engine.files(name, "/nothing") as stream:
        assert stream is None
    spec = ContainerSpec(
        name=f"{home}-left", image=start("x").image, command=("sh", "-c", "mkdir /r; echo a >/r/a; exit 4")
    )
    found: list[str] = []

    def ended() -> None:
        with engine.files(spec.name, "/r") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            found.extend(member.name for member in tar)

    assert engine.run(spec, print, LIMITS, never, ended=ended) == 4
    assert [name.rstrip("/") for name in found] == ["r", "r/a"]


def test_what_a_command_left_is_there_even_after_its_time_was_over(engine: DockerEngine, home: str, image: str) -> None:
    spec = ContainerSpec(name=f"{home}-late", image=image, command=("sh", "-c", "echo a >/a; echo b; sleep 600"))
    seen: list[bool] = []

    def ended() -> None:
        with engine.files(spec.name, "/a") as stream:
            seen.append(stream is not None)

    with pytest.raises(StageFailed, match="took longer"):
        engine.run(spec, print, Limits(seconds=2, silence=30), never, ended=ended)
    assert seen == [True]
    assert engine.look(spec.name) is None


def test_containers_that_join_another_meet_on_localhost(engine: DockerEngine, home: str, start: Start) -> None:
    network = engine.network(f"{home}-held", {}, containers=4)
    held = start("holder", network=network, hosts={"redis": "127.0.0.1"})
    start("one", "nc -l -p 6379 -e echo hello", joins=held.name)
    lines: list[str] = []
    spec = ContainerSpec(
        name=f"{home}-two",
        image=held.image,
        command=("sh", "-c", "for i in $(seq 200); do nc redis 6379 && exit; sleep 0.1; done; exit 1"),
        joins=held.name,
    )
    assert engine.run(spec, lines.append, LIMITS, never) == 0
    assert lines[-1] == "hello"
    engine.remove_network(network)


def test_D8_containers_that_are_alone_do_not_reach_each_other(engine: DockerEngine, home: str, start: Start) -> None:
    network = engine.network_alone()
    if network is None:
        pytest.skip("this kernel does not filter what crosses a bridge")
    assert engine.network_alone() == network
    one = start("alone", "while true; do nc -l -p 7000 -e echo hello; done", network=network)
    state = engine.look(one.name)
    assert state is not None
    lines: list[str] = []
    spec = ContainerSpec(
        name=f"{home}-other",
        image=one.image,
        command=("sh", "-c", f"nc -w 1 {state.address} 7000 || echo nobody; nc -w 1 {one.name} 7000 || echo nobody"),
        network=network,
    )
    engine.run(spec, lines.append, LIMITS, never)
    assert lines.count("nobody") == 2
    assert "hello" not in lines
    reached: list[str] = []
    inside = engine.execute(one.name, ("sh", "-c", "nc -w 5 127.0.0.1 7000"), reached.append, LIMITS, WORK)
    assert (inside, reached) == (0, ["hello"])


def test_F39_more_networks_than_the_engine_s_own_pools_hold_are_there_at_once(
    engine: DockerEngine, host: str, home: str
) -> None:
    names = [f"{home}-f39-{number}" for number in range(36)]
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: engine.network(name, {}, containers=6), names))
        with docker.APIClient(base_url=host, version="1.41") as api:
            there = [one for one in api.networks(filters={"label": f"{HOME}={home}"}) if one["Name"] in names]
        subnets = {one["IPAM"]["Config"][0]["Subnet"] for one in there}
        assert len(subnets) == 36
        assert all(subnet.endswith("/28") for subnet in subnets)
    finally:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(engine.remove_network, names))
