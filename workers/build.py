"""The build stage: one image per service and commit, several at a time, built once, known by digest from then on."""

from sqlalchemy.orm import Session

from pipeline import spec as spec_file
from pipeline.outcome import passed
from store import images
from workers import asking
from workers.build_secrets import secrets_of
from workers.image import Bench, make
from workers.publish import announce_tested, is_last_check, move_tags, publish
from workers.side_by_side import side_by_side
from workers.stage import Done, Scene

__all__ = ["build", "is_last_check", "mark_tested", "move_tags"]


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
    said = (", ".join(f"{name} {what}" for name, what in built.items()), announce_tested(scene))
    sentence = "; ".join(part for part in said if part)
    return Done(outcome=passed(sentence), record=lambda session: mark_tested(session, scene))


def mark_tested(session: Session, scene: Scene) -> None:
    """Note that the commit's images are good once every build and test of the run but this one has passed."""
    if is_last_check(session, scene):
        images.tested(session, scene.project.id, scene.work.revision)
