"""What a stage's command runs in: the commit's own image or a named one, and the secrets it may see."""

from collections.abc import Mapping

from pipeline.errors import Unavailable
from store import images, secrets
from workers.backing import no_image
from workers.stage import Scene
from workers.trial import Subject


def own(scene: Scene, service: str) -> Subject:
    """Return the image of one of the commit's services. Raises Unavailable if it is gone."""
    with scene.ctx.database.read() as session:
        image = images.find(session, scene.project.id, service, scene.work.revision)
    if image is None or scene.ctx.engine.image(image.reference) is None:
        raise Unavailable(f"the image of {service} at {scene.work.revision[:7]} is nowhere", code="image_lost")
    return Subject(image=image.reference, digest=image.digest, service=service, secrets=_secrets(scene))


def named(scene: Scene, reference: str) -> Subject:
    """Return an image by its name, which need not be the project's. Raises StageFailed if nobody has it."""
    facts = scene.ctx.engine.image(reference)
    if facts is None:
        raise no_image(scene.work.stage.name, reference)
    return Subject(image=reference, digest=facts.id, secrets=_secrets(scene))


def _secrets(scene: Scene) -> Mapping[str, str]:
    """Return what the stage asks for, hidden in its transcript from now on. Raises StageFailed if one is not set."""
    wanted = tuple(scene.work.spec.get("secrets") or ())
    if not wanted:
        return {}
    environment = str(scene.work.spec.get("against") or "")
    with scene.ctx.database.read() as session:
        found = secrets.given(session, scene.ctx.seal, wanted, project=scene.project.name, environment=environment)
    scene.transcript.hide(found.values())
    return found
