"""The test stage: a command in a container of the commit's own image decides."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.containers import ContainerSpec, Limits, environment_variables, labels
from pipeline.errors import StageFailed, Unavailable
from pipeline.images import Image
from pipeline.names import run_name
from pipeline.outcome import passed
from store import images
from workers.build import is_last_check, mark_tested, move_tags
from workers.stage import Done, Scene

TAIL = 20


def check(scene: Scene) -> Done:
    """Run the stage's command; its exit code, its time limit and its silence limit decide."""
    image = _image(scene)
    with _network(scene) as network:
        code = scene.ctx.engine.run(
            _container(scene, image, network), scene.transcript.write, _limits(scene), scene.ctx.stopping.is_set
        )
    if code != 0:
        tail = scene.ctx.transcripts.tail(scene.work.run_id, scene.work.stage.name, TAIL)
        raise StageFailed(f"{_said(scene)} exited with {code}", code="tests_failed", tail=tail)
    with scene.ctx.database.read() as session:
        good = is_last_check(session, scene) and scene.work.branch == scene.project.default_branch
    move_tags(scene, ("tested",) if good else ())
    return Done(outcome=passed(), record=lambda session: mark_tested(session, scene))


def _image(scene: Scene) -> Image:
    service = scene.work.spec["in"]
    with scene.ctx.database.read() as session:
        image = images.find(session, scene.project.id, service, scene.work.revision)
    if image is None or scene.ctx.engine.image(image.reference) is None:
        raise Unavailable(f"the image of {service} at {scene.work.revision[:7]} is nowhere", code="image_lost")
    return image


def _container(scene: Scene, image: Image, network: str | None) -> ContainerSpec:
    ctx, work = scene.ctx, scene.work
    run = run_name(work.run_id)
    where = {"service": image.service, "branch": work.branch or "", "stage": work.stage.name, "run_id": run}
    known = environment_variables(project=scene.project.name, revision=work.revision, **where)
    return ContainerSpec(
        name=f"slipway-{ctx.home}-{run}-{work.stage.name}",
        image=image.reference,
        command=tuple(work.spec["run"]),
        env={"CI": "true"} | known | dict(work.spec.get("env") or {}),
        labels=labels(
            ctx.home,
            project=scene.project.name,
            service=image.service,
            revision=work.revision,
            run=run,
            stage=work.stage.name,
        ),
        network=network,
        memory=ctx.memory,
    )


@contextmanager
def _network(scene: Scene) -> Iterator[str | None]:
    """A network of the run's own, so that nobody else's containers are in reach; gone afterwards."""
    if scene.work.spec.get("network") == "none":
        yield None
        return
    run = run_name(scene.work.run_id)
    name = f"slipway-{scene.ctx.home}-{run}-{scene.work.stage.name}"
    scene.ctx.engine.network(name, labels(scene.ctx.home, project=scene.project.name, run=run))
    try:
        yield name
    finally:
        scene.ctx.engine.remove_network(name)


def _limits(scene: Scene) -> Limits:
    given, default = scene.work.spec, scene.ctx.test_limits
    return Limits(seconds=given.get("timeout") or default.seconds, silence=given.get("silence") or default.silence)


def _said(scene: Scene) -> str:
    command = scene.work.spec["run"]
    said = command[2] if command[:2] == ["sh", "-c"] and len(command) > 2 else " ".join(command)
    return f"`{said if len(said) <= 60 else said[:57] + '…'}`"
