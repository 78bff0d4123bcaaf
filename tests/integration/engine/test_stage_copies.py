"""Copies of a pipeline beside each other, what dead workers left, images that know their health: on the real engine."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline.containers import ContainerSpec, Limits, labels
from runtime.engine import DockerEngine
from store.schema import StageRow
from tests import factories
from tests.engine_things import Context, Spec, never
from tests.stage_world import StageWorld

SERVE = "while true; do nc -l -p 6379 -e cat /data; done"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, engine: DockerEngine, home: str) -> Iterator[StageWorld]:
    folder = tmp_path_factory.mktemp("copies")
    database = factories.database(folder)
    world = StageWorld(database, folder, engine=engine, home=home)
    yield world
    assert world.left() == []
    database.dispose()


def asking(image: str, **more: Any) -> dict[str, Any]:
    """Return a task that asks its store what is in it until it is told."""
    store = {"image": image, "command": ["sh", "-c", f"echo fresh >/data; {SERVE}"], "ready": {"port": 6379}}
    ask = "until nc store 6379; do sleep 0.1; done"
    return {"image": image, "run": ["sh", "-c", ask], "services": {"store": store}} | more


@pytest.mark.parametrize("network", ["private", "localhost"])
def test_B3_copies_of_one_pipeline_run_at_once_without_a_clash(world: StageWorld, image: str, network: str) -> None:
    stages = [world.stage(asking(image, network=network)) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(world.do, stages))
    assert [stage.state for stage in ended] == ["passed"] * 3
    assert all("fresh" in world.transcript(stage) for stage in ended)


def test_F37_what_a_dead_worker_left_is_gone_before_the_next_attempt(
    world: StageWorld, image: str, engine: DockerEngine
) -> None:
    number = world.stage(asking(image))
    run = f"r{world.row(number).run_id}"
    name = f"slipway-{world.home}-{run}-unit"
    marks = labels(world.home, project="shop", run=run, stage="unit")
    network = engine.network(name, marks, containers=3)
    for left in (f"{name}.store", f"{name}.other", name):
        command = ("sh", "-c", f"echo stale >/data; {SERVE}")
        engine.start(ContainerSpec(name=left, image=image, command=command, labels=marks, network=network))
    with world.database.begin() as session:
        session.get_one(StageRow, number).attempt = 1
    stage = world.do(number)
    assert stage.state == "passed", world.transcript(stage)
    assert "fresh" in world.transcript(stage)
    assert "stale" not in world.transcript(stage)
    assert world.left() == []


def test_an_image_with_a_health_check_is_ready_when_that_says_so(
    world: StageWorld, image: str, engine: DockerEngine, context: Context, spec: Spec
) -> None:
    made = spec()
    check = "HEALTHCHECK --interval=1s --retries=60 CMD test -e /healthy\n"
    start = 'CMD ["sh", "-c", "sleep 2; touch /healthy; sleep 600"]\n'
    dockerfile = (
        f'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n{check}{start}'
    )
    engine.build(made, context(dockerfile), print, Limits(seconds=120, silence=120), never)
    services = {"slow": {"image": made.reference}}
    stage = world.run(asking(image, services=services, run=["sh", "-c", "true"]))
    assert stage.state == "passed", world.transcript(stage)
    ready = next(line for line in world.transcript(stage) if line.startswith("slow: ready after "))
    assert float(ready.split()[3]) >= 2
