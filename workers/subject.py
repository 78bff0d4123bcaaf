"""What a stage's command runs in: the commit's own image or a named one, and the secrets it may see."""

from collections.abc import Mapping

from pipeline import spec as spec_file
from pipeline.errors import StageFailed, Unavailable
from pipeline.plan import deployed_only_from
from store import images, secrets
from workers.backing import no_image
from workers.outsiders import check_image
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
    check_image(scene, reference)
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
    withheld = environment and _withheld(scene, environment)
    given = {"project": scene.project.name, "environment": "" if withheld else environment}
    with scene.ctx.database.read() as session:
        try:
            found = secrets.given(session, scene.ctx.seal, wanted, **given)
        except StageFailed as fault:
            raise StageFailed(f"{fault.sentence}{withheld}", code=fault.code) from fault
    scene.transcript.hide(found.values())
    return found


def _withheld(scene: Scene, environment: str) -> str:
    """Return why a stage gets none of an environment's own secrets, empty if it does.

    A stage says itself what it is against, so that alone is no reason: its branch must be one that is deployed there,
    by the default branch's rules, which the run's configuration holds.
    """
    work = scene.work
    branch = work.branch if work.pull_request is None else None
    only = deployed_only_from(spec_file.from_json(work.config or {}), environment, branch)
    return f" ({environment}'s own are only for {only})" if only else ""
