"""Networks on the real engine."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import docker
import pytest

from pipeline.containers import HOME, ContainerSpec
from pipeline.errors import Unavailable
from runtime.engine import DockerEngine

SCRIPT = """
import sys
from concurrent.futures import ThreadPoolExecutor
from runtime.engine import DockerEngine
host, home = sys.argv[1:3]
engine = DockerEngine(host, home, "10.214.0.0/16")
sys.stdin.read(1)
with ThreadPoolExecutor(10) as pool:
    list(pool.map(lambda name: engine.network(name, {}), sys.argv[3:]))
"""


@pytest.fixture
def api(host: str) -> Iterator[docker.APIClient]:
    with docker.APIClient(base_url=host, version="1.41") as client:
        yield client


def test_a_network_is_small_labelled_and_made_once(engine: DockerEngine, home: str, api: docker.APIClient) -> None:
    name = f"{home}-once"
    assert engine.network(name, {"x": "y"}) == name
    first = api.inspect_network(name)
    assert ip_network(first["IPAM"]["Config"][0]["Subnet"]).prefixlen == 26
    assert first["Labels"] == {"x": "y", HOME: home}
    assert engine.network(name, {}) == name
    assert api.inspect_network(name)["Id"] == first["Id"]
    engine.remove_network(name)
    engine.remove_network(name)
    assert api.networks(names=[name]) == []


def test_two_processes_that_want_twenty_networks_at_once_get_them(
    engine: DockerEngine, home: str, host: str, api: docker.APIClient
) -> None:
    names = [f"{home}-many-{number}" for number in range(8)]
    shared = [f"{home}-shared-{number}" for number in range(2)]
    batches = ([*shared, *names[:4]], [*shared[::-1], *names[4:]])
    command = [sys.executable, "-c", SCRIPT, host, home]
    processes = [subprocess.Popen([*command, *batch], stdin=subprocess.PIPE) for batch in batches]
    for process in processes:
        process.communicate(b"!", timeout=60)
    assert [process.returncode for process in processes] == [0, 0]
    made = [one for one in api.networks() if one["Name"] in {*names, *shared}]
    assert sorted(one["Name"] for one in made) == sorted([*names, *shared])
    assert len({one["IPAM"]["Config"][0]["Subnet"] for one in made}) == 10
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(engine.remove_network, [*names, *shared]))


def test_many_who_make_the_same_network_make_one(engine: DockerEngine, home: str, api: docker.APIClient) -> None:
    name, gate = f"{home}-same", threading.Barrier(10)

    def make(_number: int) -> str:
        gate.wait()
        return engine.network(name, {})

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(make, range(10))) == [name] * 10
    assert len([one for one in api.networks() if one["Name"] == name]) == 1
    engine.remove_network(name)


def test_a_range_that_is_used_up_says_so(home: str, host: str, engine: DockerEngine) -> None:
    narrow = DockerEngine(host, home, "10.215.7.0/25")
    made = [narrow.network(f"{home}-narrow-{number}", {}) for number in range(2)]
    with pytest.raises(Unavailable, match=r"no room for another network in 10\.215\.7\.0/25") as failed:
        narrow.network(f"{home}-narrow-3", {})
    assert failed.value.code == "no_network_left"
    for name in made:
        engine.remove_network(name)


def test_a_network_goes_even_with_a_container_on_it(engine: DockerEngine, home: str, image: str) -> None:
    name = engine.network(f"{home}-busy", {})
    engine.start(ContainerSpec(name=f"{home}-busy", image=image, command=("sleep", "60"), network=name))
    engine.remove_network(name)
    state = engine.look(f"{home}-busy")
    assert state is not None
    assert (state.running, state.address) == (True, "")
    engine.remove(f"{home}-busy", grace=0)


def test_a_network_of_another_home_is_not_touched(engine: DockerEngine, host: str, home: str) -> None:
    other = DockerEngine(host, f"{home}x", "10.214.0.0/16")
    name = other.network(f"{home}-theirs", {})
    try:
        acts: tuple[Callable[[], object], ...] = (
            lambda: engine.network(name, {}),
            lambda: engine.remove_network(name),
        )
        for act in acts:
            with pytest.raises(Unavailable) as failed:
                act()
            assert failed.value.code == "name_taken"
    finally:
        other.remove_network(name)


def test_a_container_on_a_network_that_is_gone_cannot_start(engine: DockerEngine, home: str, image: str) -> None:
    spec = ContainerSpec(name=f"{home}-lost", image=image, command=("sleep", "60"), network=f"{home}-nowhere")
    with pytest.raises(Unavailable):
        engine.start(spec)
    assert engine.look(spec.name) is None
