"""Whether a push is one that the commit's own configuration wants to run; decided once the commit is here."""

from pipeline.changes import Paths, nothing_to_do
from pipeline.decide import asks_to_skip
from pipeline.outcome import SKIP_REQUESTED, Outcome, skipped
from pipeline.ports import Commit
from pipeline.push import HEADS
from pipeline.spec import Spec
from store import stops
from store.built import built_revisions
from store.refs import BY_PUSH
from workers.stage import Scene

FURTHEST_BACK = 10


def needless(scene: Scene, spec: Spec, commit: Commit) -> Outcome | None:
    """Return why the run of a push ends here, or None if it goes on; what a person has asked for always does."""
    work = scene.work
    if work.trigger not in BY_PUSH:
        return None
    # What a pull request asked for is wanted by another rule, which has been asked already.
    if work.pull_request is None and (why := spec.trigger.refuses(branch=work.branch, tag=work.tag)):
        return skipped(why, "ignored_branch")
    if spec.trigger.skip and asks_to_skip(commit.message) and not stands_in(scene):
        return skipped("nothing to do: the commit's message asks for no run", SKIP_REQUESTED)
    if work.branch is not None and (why := _nothing_changed(scene, spec, commit.revision)):
        return skipped(why, "ignored_path")
    return None


def stands_in(scene: Scene) -> bool:
    """Tell whether older runs of the ref have given way to this one: what they were to build has no other run."""
    with scene.ctx.database.read() as session:
        return stops.stands_in(session, scene.work.run_id)


def _nothing_changed(scene: Scene, spec: Spec, revision: str) -> str:
    push = spec.trigger.push
    if push.paths is None and push.paths_ignore is None:
        return ""
    before = _last_built(scene, revision)
    if before is None:
        return ""
    changed = scene.ctx.source.changed(scene.project.name, before, revision)
    return nothing_to_do(Paths(only=push.paths, ignore=push.paths_ignore or ()), changed)


def _last_built(scene: Scene, revision: str) -> str | None:
    """Return what this branch was when it was last built; of a new one, what it began from."""
    project, work = scene.project, scene.work
    with scene.ctx.database.read() as session:
        mine = built_revisions(session, project.id, work.ref, limit=1)
        main = built_revisions(session, project.id, f"{HEADS}{project.default_branch}", limit=FURTHEST_BACK)
    if mine:
        return mine[0]
    return next((one for one in main if scene.ctx.source.descends(project.name, revision, one)), None)
