"""Registries that ask who one is, are busy, or are another: the engine and our own client, on real registries."""

import base64
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from pipeline.containers import Limits
from pipeline.errors import StageFailed, Unavailable
from pipeline.registries import Registry, RegistryForbidden
from runtime.engine import DockerEngine
from runtime.registry import HttpRegistry
from runtime.registry_copy import RegistryCopies
from tests.engine_things import Context, Spec, never
from tests.integration.engine.conftest import HOST, NETWORKS, free_port, wait_open
from tests.parts import need

PASSWORD = "open sesame"
HASH = "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"  # of the password, by bcrypt
LIMITS = Limits(seconds=60, silence=30)


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return a registry that lets in nobody but ana."""
    need("docker-registry")
    folder, port = tmp_path_factory.mktemp("shut"), free_port()
    (folder / "htpasswd").write_text(f"ana:{HASH}\n")
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"auth: {{htpasswd: {{realm: here, path: {folder}/htpasswd}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
    )
    command = [str(shutil.which("docker-registry")), "serve", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_open(port)
            yield Registry(address=f"localhost:{port}", username="ana", password=PASSWORD)
        finally:
            process.terminate()


def test_an_image_is_pushed_pulled_and_asked_for_with_the_registrys_password(
    home: str, shut: Registry, image: str
) -> None:
    engine = DockerEngine(HOST, home, NETWORKS, registry=shut)
    reference = f"{shut.address}/{home}/web:one"
    engine.tag(image, reference)
    lines: list[str] = []
    digest = engine.push(reference, lines.append)
    assert HttpRegistry(shut).digest(f"{home}/web", "one") == digest
    with docker.APIClient(base_url=HOST, version="1.41") as api:
        api.remove_image(reference)
    facts = engine.image(f"{shut.address}/{home}/web@{digest}")
    assert facts is not None and facts.labels["dev.slipway.home"] == home
    assert PASSWORD not in "".join(lines)


def test_a_base_image_is_fetched_with_the_registrys_password(
    home: str, shut: Registry, image: str, context: Context, spec: Spec
) -> None:
    engine = DockerEngine(HOST, home, NETWORKS, registry=shut)
    stranger = DockerEngine(HOST, home, NETWORKS)
    for tag in ("one", "two"):
        reference = f"{shut.address}/{home}/base:{tag}"
        engine.tag(image, reference)
        engine.push(reference, lambda _line: None)
        with docker.APIClient(base_url=HOST, version="1.41") as api:
            api.remove_image(reference)
    with pytest.raises(StageFailed, match="base:two cannot be had"):
        stranger.build(spec(), context(f"FROM {reference}\n"), lambda _line: None, LIMITS, never)
    with pytest.raises(StageFailed, match="base:two cannot be had"):
        engine.build(replace(spec(), trusted=False), context(f"FROM {reference}\n"), lambda _line: None, LIMITS, never)
    engine.build(spec(), context(f"FROM {reference}\n"), lambda _line: None, LIMITS, never)


def test_G17_a_strangers_image_is_pulled_as_anybody_and_not_as_the_engines_user(
    home: str, shut: Registry, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = f"{shut.address}/{home}/private:one"
    ours = DockerEngine(HOST, home, NETWORKS, registry=shut)
    ours.tag(image, reference)
    ours.push(reference, lambda _line: None)
    with docker.APIClient(base_url=HOST, version="1.41") as api:
        api.remove_image(reference)
    logged_in = base64.b64encode(f"ana:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {shut.address: {"auth": logged_in}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    engine = DockerEngine(HOST, home, NETWORKS)
    with pytest.raises(Unavailable):
        engine.image(reference, as_anybody=True)
    assert engine.image(reference) is not None


@pytest.mark.parametrize(("name", "password"), [("ana", "wrong"), ("", "")])
def test_a_registry_that_does_not_let_us_in_names_the_settings(
    home: str, shut: Registry, image: str, name: str, password: str
) -> None:
    stranger = replace(shut, username=name, password=password)
    asked = HttpRegistry(stranger)
    asks: tuple[Callable[[], object], ...] = (
        lambda: asked.digest("shop/web", "one"),
        lambda: asked.check_push("shop/web"),
    )
    for ask in asks:
        with pytest.raises(RegistryForbidden, match="does not let us at shop/web") as failed:
            ask()
        assert (failed.value.code, "SLIPWAY_REGISTRY__USERNAME" in failed.value.fix) == ("registry_unauthorized", True)
        assert not password or password not in f"{failed.value}{failed.value.fix}"
    engine = DockerEngine(HOST, home, NETWORKS, registry=stranger)
    reference = f"{shut.address}/{home}/web:two"
    engine.tag(image, reference)
    with pytest.raises(Unavailable) as refused:
        engine.push(reference, lambda _line: None)
    assert PASSWORD not in refused.value.sentence


def test_whether_we_may_push_is_asked_without_leaving_anything(shut: Registry) -> None:
    HttpRegistry(shut).check_push("shop/web")


def test_an_image_is_copied_to_another_registry_under_the_same_digest(
    engine: DockerEngine, home: str, shut: Registry, registry: str, image: str
) -> None:
    ours = Registry(address=registry)
    name = f"{registry}/{home}/copied"
    engine.tag(image, f"{name}:one")
    digest = engine.push(f"{name}:one", lambda _line: None)
    target = replace(shut, address=f"{shut.address}/acme")
    lines: list[str] = []
    there = RegistryCopies(ours).copy(name, digest, target, tag="v1", line=lines.append, stop=never)
    assert there == f"{shut.address}/acme/{home}/copied"
    assert HttpRegistry(target).digest(there, "v1") == digest
    assert any(line.startswith("sending ") for line in lines)
    lines.clear()
    RegistryCopies(ours).copy(name, digest, target, tag="v2", line=lines.append, stop=never)
    assert lines == [f"v2 is {digest}"], "what is there is not sent again"


def test_what_our_registry_does_not_have_cannot_be_copied(shut: Registry, registry: str) -> None:
    with pytest.raises(StageFailed) as failed:
        RegistryCopies(Registry(address=registry)).copy(
            f"{registry}/shop/web", f"sha256:{'0' * 64}", shut, tag="v1", line=lambda _line: None, stop=never
        )
    assert failed.value.code == "image_lost"


def test_F43_a_registry_that_is_busy_is_asked_again_as_it_wishes() -> None:
    digest = f"sha256:{'1' * 64}"
    busy = b"HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    good = f"HTTP/1.1 200 OK\r\nDocker-Content-Digest: {digest}\r\nContent-Length: 0\r\n\r\n".encode()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_answer, args=(server, [busy, busy, good]), daemon=True).start()
        asked = HttpRegistry(f"127.0.0.1:{server.getsockname()[1]}")
        assert asked.digest("x/y", "1") == digest


@pytest.mark.parametrize("status", ["507 Full", "500 No"])
def test_F43_a_registry_that_takes_nothing_is_ours_to_mend(status: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
        threading.Thread(target=_answer, args=(server, [answer] * 5), daemon=True).start()
        with pytest.raises(Unavailable) as failed:
            HttpRegistry(f"127.0.0.1:{server.getsockname()[1]}").check_push("x/y")
    assert failed.value.code == "registry_unavailable"


def test_a_token_is_bought_where_the_registry_says() -> None:
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        realm = f'Bearer realm="http://127.0.0.1:{port}/token",service="there"'
        body = json.dumps({"token": "abc"})
        answers = [
            f"HTTP/1.1 401 Who\r\nWWW-Authenticate: {realm}\r\nContent-Length: 0\r\n\r\n",
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}",
            f"HTTP/1.1 200 OK\r\nDocker-Content-Digest: sha256:{'2' * 64}\r\nContent-Length: 0\r\n\r\n",
        ]
        thread = threading.Thread(target=_answer, args=(server, [one.encode() for one in answers], seen), daemon=True)
        thread.start()
        asked = HttpRegistry(Registry(address=f"127.0.0.1:{port}", username="ana", password=PASSWORD))
        assert asked.digest("x/y", "1") == f"sha256:{'2' * 64}"
    assert "scope=repository%3Ax%2Fy%3Apull%2Cpush" in seen[1] and "service=there" in seen[1]
    assert "authorization: Basic " in seen[1] and "authorization: Bearer abc" in seen[2]


def _answer(server: socket.socket, answers: list[bytes], seen: list[str] | None = None) -> None:
    """Answer one connection after the other."""
    for answer in answers:
        try:
            wire = server.accept()[0]
        except OSError:
            return
        with wire:
            said = wire.recv(65536).decode()
            if seen is not None:
                seen.append(said.replace("Authorization", "authorization"))
            wire.sendall(answer)
