"""A real engine under a home of the test run's own, an image of busybox, a private registry; all gone afterwards."""

import gc
import io
import os
import shutil
import socket
import subprocess
import tarfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import pytest

from pipeline.containers import HOME, Limits
from pipeline.images import ImageSpec
from runtime.engine import DockerEngine
from tests.engine_things import Context, Spec, never
from tests.parts import need

HOST = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
NETWORKS = "10.214.0.0/16"
LIMITS = Limits(seconds=60, silence=30)
BUSYBOX = 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'


@pytest.fixture(scope="session")
def home() -> Iterator[str]:
    """Return a home nobody else has; everything that carries its label is removed in the end."""
    need("docker", "busybox")
    name = f"t{uuid.uuid4().hex[:8]}"
    yield name
    with docker.APIClient(base_url=HOST, version="1.41") as api:
        mine = {"label": f"{HOME}={name}"}
        for container in api.containers(all=True, filters=mine):
            api.remove_container(container["Id"], force=True, v=True)
        for network in api.networks(filters=mine):
            api.remove_network(network["Id"])
        for volume in api.volumes(filters=mine)["Volumes"] or []:
            api.remove_volume(volume["Name"], force=True)
        for image in {one["Id"] for one in api.images(all=True, filters=mine)}:
            try:
                api.remove_image(image, force=True)
            except docker.errors.APIError as fault:
                if fault.status_code not in {404, 409}:
                    raise


@pytest.fixture
def refusing() -> Iterator[None]:
    """Collect, within a test that does not mind, the sockets docker-py leaves unclosed where nobody listens."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def host() -> str:
    """Return where the engine is."""
    return HOST


@pytest.fixture(scope="session")
def engine(home: str) -> DockerEngine:
    """Return the engine with whatever builder it has."""
    return DockerEngine(HOST, home, NETWORKS)


@pytest.fixture(params=["buildkit", "classic"])
def either(request: pytest.FixtureRequest, home: str) -> DockerEngine:
    """Return the engine with each builder in turn."""
    return DockerEngine(HOST, home, NETWORKS, request.param)


@pytest.fixture(scope="session")
def context() -> Context:
    """Return what makes a build context of a Dockerfile and busybox."""
    busybox = Path(str(shutil.which("busybox"))).read_bytes()

    def make(dockerfile: str) -> io.BytesIO:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name, data in (("Dockerfile", dockerfile.encode()), ("busybox", busybox)):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(data), 0o755
                tar.addfile(member, io.BytesIO(data))
        file.seek(0)
        return file

    return make


@pytest.fixture(scope="session")
def spec(home: str) -> Spec:
    """Return what makes the specification of an image that is cleaned up."""

    def make(name: str = "", **more: Any) -> ImageSpec:
        return ImageSpec(
            name=name or f"{home}/thing",
            revision=uuid.uuid4().hex.ljust(40, "0"),
            labels={HOME: home},
            created=datetime(2026, 1, 1, tzinfo=UTC),
            **more,
        )

    return make


@pytest.fixture(scope="session")
def image(engine: DockerEngine, context: Context, spec: Spec) -> str:
    """Return an image that has a shell."""
    wanted = spec()
    engine.build(wanted, context(BUSYBOX), lambda _line: None, LIMITS, never)
    return wanted.reference


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a registry of our own."""
    need("docker-registry")
    port = free_port()
    folder = tmp_path_factory.mktemp("registry")
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    command = [str(shutil.which("docker-registry")), "serve", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_open(port)
            yield f"localhost:{port}"
        finally:
            process.terminate()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_open(port: int, seconds: float = 10) -> None:
    """Wait until somebody listens on a port of this machine."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"nobody listens on port {port}")
