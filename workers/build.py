"""The build stage: one image per service and commit, several at a time, built once, known by digest from then on."""

from pipeline import spec as spec_file
from pipeline.outcome import passed
from workers import asking
from workers.build_secrets import secrets_of
from workers.image import Bench, make
from workers.publish import publish
from workers.side_by_side import side_by_side
from workers.stage import Done, Scene


def build(scene: Scene) -> Done:
    """Build every service the stage names, unless its commit has an image or can do with an earlier one."""
    if scene.work.attempt > 1:
        # The mirror may be what was wrong: a damaged one is thrown away where it is found, and made anew only here.
        asking.fetch(scene.ctx, scene.project, scene.work.ref, scene.work.revision)
    spec = spec_file.from_json(scene.work.config or {})
    wanted = scene.work.spec["services"]
    services = {name: service for name, service in spec.services.items() if name in wanted}
    secrets = secrets_of(scene, services.values())
    built = side_by_side(
        scene,
        services,
        lambda name, say, stop: make(
            Bench(scene=scene, name=name, service=services[name], say=say, stop=stop, secrets=secrets)
        ),
        at_once=scene.ctx.builds.parallel,
    )
    publish(scene, spec)
    sentence = ", ".join(f"{name} {what}" for name, what in built.items())
    return Done(outcome=passed(sentence))
