"""Find the ref that holds a commit which somebody named by its digits alone."""

from collections.abc import Iterable

from pipeline.errors import Busy, StageFailed
from pipeline.names import short
from pipeline.push import HEADS
from store import runs
from workers import asking
from workers.stage import Scene

MOST_REFS = 50


def locate(scene: Scene) -> None:
    """Note of which ref a run is, and of which commit. Raises Busy, to begin anew as that, or StageFailed."""
    ctx, work, project = scene.ctx, scene.work, scene.project
    for ref in _likely(scene, asking.tips(ctx, project)):
        try:
            found = asking.find(ctx, project, ref, work.revision)
        except StageFailed as fault:
            if fault.code != "ref_gone":
                raise
            continue
        if found:
            with ctx.database.begin() as session:
                runs.locate(session, work.run_id, ref=ref, revision=found)
            raise Busy(f"{short(found)} is on {ref}; beginning with that")
    sentence = f"no branch or tag of {project.name} holds a commit that begins with {work.revision}"
    raise StageFailed(sentence, code="no_such_revision")


def _likely(scene: Scene, refs: Iterable[str]) -> list[str]:
    """Return the refs to look at: the default branch, other branches, tags."""
    default = f"{HEADS}{scene.project.default_branch}"
    return sorted(refs, key=lambda ref: (ref != default, not ref.startswith(HEADS), ref))[:MOST_REFS]
