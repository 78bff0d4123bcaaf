"""The test stage: a command in a container of the commit's own image decides, and its reports have a say."""

from workers import against, subject
from workers.shards import run_all
from workers.stage import Done, Scene
from workers.verdict import conclude


def check(scene: Scene) -> Done:
    """Run the stage's command in every shard; exit codes, limits, backing services and reports decide."""
    left_out = against.left_out(scene)
    if left_out is not None:
        return Done(outcome=left_out)
    tested = subject.own(scene, scene.work.spec["in"])
    there = against.there(scene)
    return Done(outcome=there.tell(conclude(scene, tested, run_all(scene, tested), "tests_failed")))
