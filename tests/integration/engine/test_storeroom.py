"""The storeroom on a real engine and a real registry, configured as ours is."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.images import ImageSpec
from pipeline.registries import Registry
from runtime.engine import DockerEngine
from runtime.stack_daemons import COLLECT, registry
from runtime.storeroom import RealStoreroom
from tests.engine_things import Context, Spec
from tests.integration.engine.conftest import LIMITS, free_port, wait_open
from tests.parts import need

DOCKERFILE = "FROM scratch\nCOPY busybox /bin/busybox\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    need("docker-registry")
    return tmp_path / "home"


@pytest.fixture
def address(place: Path) -> Iterator[str]:
    place.mkdir()
    port = free_port()
    with subprocess.Popen(registry(place, host="127.0.0.1", port=port), stderr=subprocess.DEVNULL) as process:
        try:
            wait_open(port)
            yield f"localhost:{port}"
        finally:
            process.terminate()


@pytest.fixture
def room(address: str, host: str, home: str, place: Path) -> RealStoreroom:
    known = Registry(address=address)
    return RealStoreroom(host=host, home_id=home, home=place, registry=known, least=0, cache=0)


@pytest.fixture
def pushed(engine: DockerEngine, context: Context, spec: Spec, address: str) -> ImageSpec:
    """Return an image that was built and pushed."""
    made = spec(f"{address}/shop/web")
    engine.build(made, context(DOCKERFILE), lambda _line: None, LIMITS, lambda: False)
    engine.push(made.reference, lambda _line: None)
    return made


def test_an_image_leaves_the_registry_unless_its_digest_is_to_stay_and_gives_its_room_back(
    room: RealStoreroom, pushed: ImageSpec, engine: DockerEngine, place: Path
) -> None:
    digest = engine.push(pushed.reference, lambda _line: None)
    assert room.tags(pushed.name) == (pushed.revision,)
    assert not room.remove_tag(pushed.name, pushed.revision, keep={digest})
    assert room.tags(pushed.name) == (pushed.revision,)
    for _ in range(2):
        assert room.remove_tag(pushed.name, pushed.revision, keep=())
    assert room.tags(pushed.name) == ()
    assert (place / "registry" / COLLECT).exists()
    before = size(place)
    registry(place, host="127.0.0.1", port=1)
    assert size(place) < before / 2
    assert not (place / "registry" / COLLECT).exists()


def test_what_the_registry_never_had_has_no_tags(room: RealStoreroom, address: str) -> None:
    assert room.tags(f"{address}/shop/nothing") == ()


def test_an_image_leaves_the_engine_with_its_last_name(room: RealStoreroom, pushed: ImageSpec) -> None:
    (mine,) = [one for one in room.stored() if pushed.reference in one.references]
    assert len(mine.references) >= 2
    assert all(room.remove(reference) for reference in (*mine.references, *mine.references))
    assert mine.id not in {one.id for one in room.stored()}


def test_F40_a_small_disk_that_is_nearly_full_is_told_of(host: str, home: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=True)
    try:
        known = Registry(address="localhost:1")
        small = RealStoreroom(host=host, home_id=home, home=disk, registry=known, least=2 * 1024**3, cache=0)
        assert small.lack() is None, "a twentieth of a small disk will do"
        (disk / "filler").write_bytes(b"x" * (8 * 1024**2 - 64 * 1024))
        assert str(small.lack()).startswith("only 0 MB are free where ")
        (disk / "filler").unlink()
        assert small.lack() is None
    finally:
        subprocess.run(["umount", disk], check=True)


def test_what_a_run_left_in_files_is_removed_and_nothing_else(room: RealStoreroom, place: Path) -> None:
    for folder in ("transcripts/r1", "artifacts/r1", "transcripts/r11"):
        (place / folder / "unit").mkdir(parents=True)
    for _ in range(2):
        room.forget(1)
    assert sorted(path.name for path in place.glob("[at]*/*")) == ["r11"]


def size(place: Path) -> int:
    """Return how many bytes the registry keeps."""
    return sum(path.stat().st_size for path in (place / "registry").rglob("*") if path.is_file())
