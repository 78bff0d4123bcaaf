"""Base images, built from this machine and run; and the removal of what carries a home's label."""

import io
import secrets
import time
from collections.abc import Iterator

import docker
import pytest
from docker.errors import ImageNotFound
from docker.models.containers import Container

from pipeline.containers import HOME
from pipeline.errors import Unavailable
from runtime.bases import BASES, Base, build
from runtime.stack_checks import http_answers
from runtime.stack_facts import EngineFacts, engine_facts
from runtime.stack_remove import other_homes, remove_all
from tests.parts import need

ENGINE = "unix:///var/run/docker.sock"


@pytest.fixture
def home_id() -> str:
    return f"t{secrets.token_hex(4)}"


@pytest.fixture
def engine(home_id: str) -> Iterator[docker.DockerClient]:
    need("docker")
    client = docker.DockerClient(base_url=ENGINE)
    yield client
    remove_all(ENGINE, home_id, print)
    client.close()


@pytest.fixture
def bases(engine: docker.DockerClient, home_id: str) -> dict[str, str]:
    """Build the bases under names of this test's own, so that nobody else's are replaced."""
    mine = {}
    for name, base in BASES.items():
        own = Base(name=f"{name}-{home_id}", gather=base.gather, command=base.command, more=base.more)
        assert "built" in build(own, engine=ENGINE, home_id=home_id)
        assert build(own, engine=ENGINE, home_id=home_id).endswith("is already there")
        mine[name] = own.reference
    return mine


def run(engine: docker.DockerClient, home_id: str, image: str, *command: str) -> Container:
    """Start a container that is removed with the home."""
    return engine.containers.run(image, list(command) or None, detach=True, labels={HOME: home_id})


def output(engine: docker.DockerClient, home_id: str, image: str, *command: str) -> str:
    """Run a command in an image to its end and return what it wrote."""
    container = run(engine, home_id, image, *command)
    assert container.wait(timeout=60)["StatusCode"] == 0, container.logs().decode()
    return container.logs().decode()


def test_every_base_runs_what_it_is_for(engine: docker.DockerClient, home_id: str, bases: dict[str, str]) -> None:
    redis = run(engine, home_id, bases["redis"])
    web = run(engine, home_id, bases["busybox"], "httpd", "-f", "-p", "8000", "-h", "/etc")
    modules = "import ssl, sqlite3, ctypes, lzma, bz2; print(len(ssl.create_default_context().get_ca_certs()) > 0)"
    assert output(engine, home_id, bases["python"], "python3", "-c", modules) == "True\n"
    assert "nobody" in output(engine, home_id, bases["python"], "sh", "-c", "cat /etc/passwd; touch /tmp/x")
    assert redis.exec_run("redis-cli ping").output == b"PONG\n"
    web.reload()
    address = web.attrs["NetworkSettings"]["IPAddress"]
    deadline = time.monotonic() + 10
    while why := http_answers(address, 8000, "/passwd", status=200):
        assert time.monotonic() < deadline, why
        time.sleep(0.05)


def test_a_base_made_of_other_files_is_built_again(engine: docker.DockerClient, home_id: str) -> None:
    gather = BASES["busybox"].gather
    for command in (("sh",), ("ash",)):
        base = Base(name=f"again-{home_id}", gather=gather, command=command)
        assert "built" in build(base, engine=ENGINE, home_id=home_id)
    assert engine.images.get(base.reference).attrs["Config"]["Cmd"] == ["ash"]


def test_a_base_that_homes_share_goes_with_the_last_of_them(engine: docker.DockerClient, home_id: str) -> None:
    other = f"{home_id}z"
    base = Base(name=f"shared-{home_id}", gather=BASES["busybox"].gather, command=("sh",))
    build(base, engine=ENGINE, home_id=home_id)
    assert "already there" in build(base, engine=ENGINE, home_id=other)
    remove_all(ENGINE, home_id, print)
    assert engine.images.get(base.reference)
    remove_all(ENGINE, other, print)
    with pytest.raises(ImageNotFound):
        engine.images.get(base.reference)


def labelled(engine: docker.DockerClient, owner: str) -> str:
    """Build an image of a home's own, on a base it shares with nobody."""
    base = Base(name=f"under-{owner}", gather=BASES["busybox"].gather, command=("sleep", "600"))
    build(base, engine=ENGINE, home_id=owner)
    image, _ = engine.images.build(
        fileobj=io.BytesIO(f"FROM {base.reference}\nLABEL {HOME}={owner}\n".encode()),
        tag=f"slipway/rm-{owner}:x",
        rm=True,
    )
    return str(image.id)


def test_removal_takes_what_carries_the_label_and_nothing_else(engine: docker.DockerClient, home_id: str) -> None:
    other = f"{home_id}x"
    for owner in (home_id, other):
        image = labelled(engine, owner)
        engine.images.get(image).tag(f"slipway/rm-second-name-{owner}", "x")
        engine.networks.create(f"rm-{owner}", labels={HOME: owner})
        engine.volumes.create(f"rm-{owner}", labels={HOME: owner})
        engine.containers.run(image, name=f"rm-{owner}", detach=True, labels={HOME: owner}, network_mode="none")
    try:
        assert other in other_homes(ENGINE, home_id)
        said: list[str] = []
        remove_all(ENGINE, home_id, said.append)
        assert said == ["removed 1 container, 1 network, 2 images, 1 volume"]
        assert _labelled(engine, home_id) == (0, 0, 0, 0)
        assert _labelled(engine, other) == (1, 1, 1, 1)
        assert engine.containers.get(f"rm-{other}").status == "running"
    finally:
        remove_all(ENGINE, other, print)


def test_an_image_that_somebody_elses_container_uses_is_kept_and_told(
    engine: docker.DockerClient, home_id: str
) -> None:
    image = labelled(engine, home_id)
    foreign = engine.containers.run(image, detach=True, labels={HOME: f"{home_id}y"}, network_mode="none")
    said: list[str] = []
    remove_all(ENGINE, home_id, said.append)
    foreign.reload()
    assert foreign.status == "running"
    assert said[0].startswith("kept image ")
    foreign.remove(force=True)


def test_an_engine_that_is_not_there_is_unavailable(home_id: str) -> None:
    with pytest.raises(Unavailable, match="no engine answers"):
        remove_all("unix:///nonexistent.sock", home_id, print)


def test_the_engine_says_what_it_is() -> None:
    need("docker")
    assert engine_facts(ENGINE).sentence.startswith("engine ")


@pytest.mark.parametrize(("runc", "warned"), [("1.1.5+ds1", True), ("1.2.8", False), ("1.3.3", False), ("", False)])
def test_an_old_runc_is_warned_of(runc: str, warned: bool) -> None:
    facts = EngineFacts(version="1", api="1.41", storage="overlay2", builder="BuildKit", runc=runc)
    assert (facts.warning is not None) is warned


def _labelled(engine: docker.DockerClient, home_id: str) -> tuple[int, int, int, int]:
    mine: dict[str, str | list[str] | bool] = {"label": f"{HOME}={home_id}"}
    return (
        len(engine.containers.list(all=True, filters=mine)),
        len(engine.networks.list(filters=mine)),
        len(engine.images.list(filters=mine)),
        len(engine.volumes.list(filters=mine)),
    )
