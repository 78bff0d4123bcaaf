"""The task stage: a command in an image that need not be the project's own."""

from workers import subject
from workers.shards import run_all
from workers.stage import Done, Scene
from workers.verdict import conclude


def task(scene: Scene) -> Done:
    """Run the stage's command in the image it names, or in that of one of the commit's services."""
    spec = scene.work.spec
    chosen = subject.own(scene, spec["in"]) if spec.get("in") else subject.named(scene, spec["image"])
    return Done(outcome=conclude(scene, chosen, run_all(scene, chosen), "task_failed"))
