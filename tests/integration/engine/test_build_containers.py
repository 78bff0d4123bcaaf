"""Build containers on the real engine: a tree in, a command, what it made out."""

import io
import tarfile
import uuid
from datetime import UTC, datetime

import docker
import pytest

from pipeline.containers import HOME, ContainerSpec, Limits
from pipeline.context_tar import context_tar
from pipeline.errors import Cancelled, StageFailed
from runtime.engine import DockerEngine
from tests.engine_things import Spec, never

LIMITS = Limits(seconds=60, silence=30)
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def tree(**files: str) -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    file.seek(0)
    return file


def work(home: str, image: str, script: str, **more: object) -> ContainerSpec:
    name = f"{home}-{uuid.uuid4().hex[:8]}"
    return ContainerSpec(name=name, image=image, command=("sh", "-c", script), workdir="/workspace", **more)  # type: ignore[arg-type]


def there(host: str, name: str) -> bool:
    with docker.APIClient(base_url=host, version="1.41") as api:
        return bool(api.containers(all=True, filters={"name": name}))


def test_what_a_command_makes_of_a_tree_becomes_the_context_of_a_build(
    engine: DockerEngine, image: str, home: str, spec: Spec, host: str
) -> None:
    made = work(
        home,
        image,
        "mkdir -p dist/sub; tr a-z A-Z <source >dist/sub/made; ln -s sub/made dist/link; echo FROM x >dist/Dockerfile",
    )
    lines: list[str] = []
    with engine.produce(made, tree(source="hello"), lines.append, LIMITS, never) as left:
        digests = set()
        for _ in range(2):
            wanted = spec()
            with left.read("/workspace/dist") as output:
                given = context_tar(output, dockerfile="Dockerfile", text=b"FROM scratch\nCOPY . /app\n", created=WHEN)
                engine.build(wanted, given, lines.append, LIMITS, never)
            with docker.APIClient(base_url=host, version="1.41") as api:
                digests.add(tuple(api.inspect_image(wanted.reference)["RootFS"]["Layers"]))  # type: ignore[no-untyped-call]
    assert len(digests) == 1, "two builds of one output have the same layers"
    assert not there(host, made.name)
    checked = spec()
    dockerfile = f"FROM {image}\nCOPY --from={wanted.reference} /app /app\nRUN test $(cat /app/link) = HELLO\n"
    engine.build(checked, tree(Dockerfile=dockerfile), lines.append, LIMITS, never)


@pytest.mark.parametrize(
    ("script", "output", "code"),
    [
        ("echo no; exit 3", "/workspace/dist", "builder_failed"),
        ("true", "/workspace/dist", "no_output"),
        ("echo x >dist", "/workspace/dist", "no_output"),
    ],
)
def test_a_build_container_that_fails_says_so_and_is_gone(
    engine: DockerEngine, image: str, home: str, host: str, *, script: str, output: str, code: str
) -> None:
    made = work(home, image, script)
    with (
        pytest.raises(StageFailed) as failed,
        engine.produce(made, tree(), lambda _line: None, LIMITS, never) as left,
        left.read(output),
    ):
        pytest.fail("there is nothing to read")
    assert failed.value.code == code
    assert not there(host, made.name)


def test_a_build_container_that_is_called_off_is_gone(engine: DockerEngine, image: str, home: str, host: str) -> None:
    made, lines = work(home, image, "echo begun; sleep 1000"), list[str]()
    with (
        pytest.raises(Cancelled),
        engine.produce(made, tree(), lines.append, LIMITS, lambda: bool(lines)),
    ):
        pytest.fail("it never ends by itself")
    assert not there(host, made.name)


def test_a_cache_outlives_its_container_and_carries_the_homes_label(
    engine: DockerEngine, image: str, home: str, host: str
) -> None:
    name, lines = f"{home}-cache", list[str]()
    labels = {HOME: home, "dev.slipway.project": "shop", "dev.slipway.run": "r1"}
    for _ in range(2):
        made = work(home, image, "echo x >>/cache/n; wc -l </cache/n", labels=labels, caches={name: "/cache"})
        with engine.produce(made, tree(), lines.append, LIMITS, never):
            pass
    with docker.APIClient(base_url=host, version="1.41") as api:
        volume = api.inspect_volume(name)
        api.remove_volume(name)
    assert lines == ["1", "2"]
    assert volume["Labels"] == {HOME: home, "dev.slipway.project": "shop"}
