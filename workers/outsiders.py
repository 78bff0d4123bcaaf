"""Which images a stage may name: any, or no other project's if a stranger has written the stage."""

from pipeline.errors import StageFailed
from pipeline.strangers import Reach
from workers.stage import Scene

PROJECT = "dev.slipway.project"


def reach(scene: Scene) -> Reach:
    """Return what a stranger's run of this stage's project may reach."""
    return Reach(registry=scene.ctx.registry_address, home=scene.ctx.home, project=scene.project.name)


def check_image(scene: Scene, reference: str) -> None:
    """Raise StageFailed if a stranger's run may not use this image, by whatever name or id the engine has it."""
    if scene.work.trusted:
        return
    known = reach(scene)
    refusal = known.refusal(reference)
    facts = None if refusal else scene.ctx.engine.image(reference, as_anybody=not known.is_own(reference))
    if facts and facts.labels.get(PROJECT, scene.project.name) != scene.project.name:
        refusal = f"{reference} is another project's image, which what comes from a fork does not get"
    if refusal:
        raise StageFailed(refusal, code="not_for_forks")
