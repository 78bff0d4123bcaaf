"""What a home left on a real engine: found by its label, taken away, nobody else's touched."""

from collections.abc import Iterator

import docker
import pytest

from pipeline.containers import HOME, ContainerSpec, labels
from pipeline.leftovers import Thing
from runtime.engine import DockerEngine


@pytest.fixture
def api(host: str) -> Iterator[docker.APIClient]:
    with docker.APIClient(base_url=host, version="1.41") as client:
        yield client


def test_everything_of_a_home_is_found_and_can_be_taken_away_twice(
    engine: DockerEngine, api: docker.APIClient, image: str, home: str
) -> None:
    marks = labels(home, run="r4711")
    names = {kind: f"{home}-left-{kind}" for kind in Thing}
    engine.network(names[Thing.NETWORK], marks)
    api.create_volume(names[Thing.VOLUME], labels=marks)
    spec = ContainerSpec(
        name=names[Thing.CONTAINER],
        image=image,
        command=("sleep", "600"),
        labels=marks,
        network=names[Thing.NETWORK],
    )
    engine.start(spec)
    left = [one for one in engine.inventory() if one.labels.get("dev.slipway.run") == "r4711"]
    assert {one.kind: one.name for one in left} == names
    assert all(-5 < one.age < 300 for one in left)
    for _ in range(2):
        assert all(engine.discard(one) for one in sorted(left, key=lambda one: one.kind != Thing.CONTAINER))
    assert not [one for one in engine.inventory() if one.labels.get("dev.slipway.run") == "r4711"]


def test_what_somebody_made_of_our_image_is_not_ours_to_take(
    engine: DockerEngine, api: docker.APIClient, image: str, home: str
) -> None:
    made = api.create_container(image, ["true"], name=f"{home}-by-hand", labels={HOME: home})
    try:
        assert f"{home}-by-hand" not in {one.name for one in engine.inventory()}
    finally:
        api.remove_container(made["Id"], force=True)
