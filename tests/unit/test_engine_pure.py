"""The small decisions of the engine room: subnets, references, requests, sentences, the choice of the builder."""

import time
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from pipeline.containers import HOME, ContainerSpec, Limits
from pipeline.errors import Cancelled, StageFailed
from runtime.container_json import create_request, is_request, state_of
from runtime.images import _names_registry, _split
from runtime.networks import candidates, parse_routes
from runtime.oneshot import said_command
from runtime.watch import Watch
from runtime.wire import _has_buildkit


def test_a_range_is_cut_into_subnets_each_tried_once_beginning_with_the_names_own() -> None:
    subnets = list(candidates("10.213.0.0/16", "a", 26))
    assert len(set(subnets)) == len(subnets) == 1024
    assert all(one.prefixlen == 26 and one.subnet_of(IPv4Network("10.213.0.0/16")) for one in subnets)
    assert next(candidates("10.213.0.0/16", "a", 26)) == subnets[0] != next(candidates("10.213.0.0/16", "b", 26))


def test_a_range_smaller_than_a_subnet_is_one() -> None:
    assert list(candidates("10.213.0.0/28", "a", 26)) == [IPv4Network("10.213.0.0/28")]


def test_routes_are_read_without_the_default_route() -> None:
    table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n"
    table += "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\n"
    table += "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\nshort\n"
    assert parse_routes(table) == [IPv4Network("172.17.0.0/16")]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("localhost:5100/shop/web:abc", ("localhost:5100/shop/web", "abc")),
        ("localhost:5100/shop/web", ("localhost:5100/shop/web", "latest")),
        ("localhost:5100/shop/web@sha256:1", ("localhost:5100/shop/web", "sha256:1")),
        ("busybox", ("busybox", "latest")),
    ],
)
def test_a_reference_is_split_at_the_right_colon(reference: str, expected: tuple[str, str]) -> None:
    assert _split(reference) == expected


@pytest.mark.parametrize(
    ("reference", "named"),
    [("localhost/x", True), ("h:1/x", True), ("r.example.com/x", True), ("library/x", False), ("x:1.0", False)],
)
def test_only_a_reference_that_names_its_registry_is_pulled(reference: str, named: bool) -> None:
    assert _names_registry(reference) is named


@pytest.mark.parametrize(
    ("headers", "version", "expected"),
    [
        ({"Ostype": "linux"}, (1, 41), True),
        ({"Ostype": "linux", "Builder-Version": "2"}, (1, 44), True),
        ({"Ostype": "linux", "Builder-Version": "1"}, (1, 41), False),
        ({"Ostype": "linux"}, (1, 38), False),
        ({"Ostype": "windows"}, (1, 44), False),
        ({"Ostype": "linux", "Libpod-Api-Version": "4.3"}, (1, 41), False),
    ],
)
def test_buildkit_is_taken_where_the_engine_has_it(
    headers: dict[str, str], version: tuple[int, ...], expected: bool
) -> None:
    assert _has_buildkit(headers, version) is expected


def test_a_request_has_every_limit_and_labels_nobody_can_forge() -> None:
    spec = ContainerSpec(name="n", image="i", labels={HOME: "x", "dev.slipway.container": "y", "k": "v"})
    request = create_request(spec, "mine")
    labels = request["Labels"]
    assert (labels[HOME], labels["dev.slipway.container"], labels["k"]) == ("mine", "n", "v")
    assert is_request({"Config": request}, spec, "mine")
    assert not is_request({"Config": request}, replace(spec, env={"A": "b"}), "mine")
    assert request["HostConfig"]["NetworkMode"] == "none"
    assert "Cmd" not in request
    assert "NetworkingConfig" not in request
    kept = create_request(ContainerSpec(name="n", image="i", network="w", aliases=("a",), keep_running=True), "mine")
    assert kept["HostConfig"]["RestartPolicy"] == {"Name": "unless-stopped"}
    assert kept["NetworkingConfig"] == {"EndpointsConfig": {"w": {"Aliases": ["a"]}}}


def found(*, running: bool = True, restarting: bool = False, status: str = "running", code: int = 0) -> dict[str, Any]:
    return {
        "Id": "1",
        "Name": "/n",
        "State": {"Running": running, "Restarting": restarting, "Status": status, "ExitCode": code},
        "Config": {"Labels": None},
        "HostConfig": {"NetworkMode": "made"},
        "NetworkSettings": {"Networks": {"a": {"IPAddress": "10.0.0.1"}, "made": {"IPAddress": "10.0.0.2"}}},
    }


def test_a_containers_address_is_the_one_asked_for_or_of_the_network_it_was_made_with() -> None:
    assert state_of(found(), "a").address == "10.0.0.1"
    assert state_of(found()).address == "10.0.0.2"
    assert state_of(found(), "unknown").address == "10.0.0.2"


def test_one_that_restarts_is_not_running_and_tells_how_it_ended() -> None:
    state = state_of(found(restarting=True, status="restarting", code=3))
    assert (state.running, state.exit_code, state.address) == (False, 3, "")
    assert state_of(found(running=False, status="created")).exit_code is None


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (None, "the image's own command"),
        (("pytest", "-k", "a b"), "`pytest -k 'a b'`"),
        (("sh", "-c", "make\n  test"), "`make test`"),
        (("sh", "-c"), "`sh -c`"),
        (("x" * 100,), "`" + "x" * 59 + "…`"),
    ],
)
def test_a_command_is_quoted_as_people_wrote_it(command: tuple[str, ...] | None, said: str) -> None:
    assert said_command(ContainerSpec(name="n", image="i", command=command)) == said


def test_a_watch_tells_which_limit_was_passed_and_keeps_the_last_lines() -> None:
    heard: list[str] = []
    watch = Watch("it", Limits(seconds=0.02, silence=9), heard.append)
    watch.check(lambda: False)
    for number in range(30):
        watch.say(str(number))
    time.sleep(0.03)
    with pytest.raises(StageFailed, match=r"^it took longer than 0\.02 s and was stopped$") as failed:
        watch.check()
    assert failed.value.tail == tuple(str(number) for number in range(10, 30))
    assert len(heard) == 30


def test_a_word_resets_the_silence_and_a_person_comes_first() -> None:
    watch = Watch("it", Limits(seconds=9, silence=0.02), lambda _line: None)
    time.sleep(0.03)
    watch.heard()
    watch.check()
    time.sleep(0.03)
    with pytest.raises(Cancelled):
        watch.check(lambda: True)
    with pytest.raises(StageFailed, match="said nothing"):
        watch.check()
