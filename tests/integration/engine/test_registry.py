"""Images pushed to, asked of and pulled from a real registry."""

import socket
import threading

import docker
import pytest

from pipeline.errors import Unavailable
from runtime.engine import DockerEngine
from runtime.registry import HttpRegistry


@pytest.fixture(scope="module")
def pushed(engine: DockerEngine, registry: str, image: str, home: str) -> tuple[str, str]:
    reference = f"{registry}/{home}/web:one"
    engine.tag(image, reference)
    lines: list[str] = []
    digest = engine.push(reference, lines.append)
    assert any(word in line for line in lines for word in ("Pushed", "Mounted from", "already exists"))
    return reference, digest


def test_the_registry_knows_what_was_pushed_by_tag_and_by_digest(
    registry: str, pushed: tuple[str, str], home: str
) -> None:
    asked = HttpRegistry(registry)
    reference, digest = pushed
    assert digest.startswith("sha256:")
    assert asked.digest(f"{home}/web", "one") == digest
    assert asked.digest(f"{home}/web", digest) == digest
    assert asked.digest(reference.rpartition(":")[0], "one") == digest


def test_what_the_registry_does_not_have_is_none(registry: str, pushed: tuple[str, str], home: str) -> None:
    asked = HttpRegistry(registry)
    assert asked.digest(f"{home}/web", "two") is None
    assert asked.digest(f"{home}/nothing", "one") is None
    assert asked.digest(f"{home}/web", f"sha256:{'0' * 64}") is None


def test_pushing_again_gives_the_same_digest(engine: DockerEngine, pushed: tuple[str, str]) -> None:
    assert engine.push(pushed[0], lambda _line: None) == pushed[1]


def test_an_image_only_the_registry_has_is_pulled(
    engine: DockerEngine, registry: str, pushed: tuple[str, str], home: str, host: str
) -> None:
    reference = f"{registry}/{home}/web@{pushed[1]}"
    before = engine.image(reference)
    with docker.APIClient(base_url=host, version="1.41") as api:
        api.remove_image(pushed[0])
    assert engine.image(pushed[0]) == before
    assert engine.image(reference) == before


def test_an_image_nobody_has_is_none(engine: DockerEngine, registry: str, home: str) -> None:
    assert engine.image(f"{registry}/{home}/nothing:1") is None
    assert engine.image(f"{registry}/{home}/nothing@sha256:{'0' * 64}") is None
    assert engine.image("nosuch-image-at-all:1") is None


def test_tagging_what_is_not_there_is_unavailable(engine: DockerEngine) -> None:
    with pytest.raises(Unavailable) as failed:
        engine.tag("nosuch-image-at-all:1", "other:1")
    assert failed.value.code == "engine_error"


def test_a_registry_that_is_down_is_unavailable(engine: DockerEngine, image: str) -> None:
    reference = f"localhost:{_closed_port()}/x/y:1"
    address = reference.partition("/")[0]
    engine.tag(image, reference)
    for act in (
        lambda: HttpRegistry(address).digest("x/y", "1"),
        lambda: engine.push(reference, lambda _line: None),
        lambda: engine.image(f"{address}/x/other:1"),
    ):
        with pytest.raises(Unavailable) as failed:
            act()
        assert failed.value.code == "registry_unavailable"


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"junk\r\n\r\n"]
)
def test_a_registry_that_talks_nonsense_is_unavailable(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_answer, args=(server, answer), daemon=True).start()
        with pytest.raises(Unavailable) as failed:
            HttpRegistry(f"127.0.0.1:{server.getsockname()[1]}").digest("x/y", "1")
    assert failed.value.code == "registry_unavailable"


def _answer(server: socket.socket, answer: bytes) -> None:
    """Answer each connection once and close it."""
    while True:
        try:
            wire = server.accept()[0]
        except OSError:
            return
        with wire:
            wire.recv(65536)
            wire.sendall(answer)


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
