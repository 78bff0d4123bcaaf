"""Hold a run's deployment back if it would replace what it does not come after."""

from contextlib import suppress

from pipeline import spec as spec_file
from pipeline.errors import Held, StageFailed, Unavailable
from pipeline.order import Behind, Place, behind, held
from pipeline.push import HEADS
from store import catalog
from store.deployments import Deployment
from workers import asking
from workers.stage import Scene


def check_order(scene: Scene, deployment: Deployment, live: Deployment | None) -> None:
    """See that a run's deployment comes after what serves, whoever put that there. Raises Held.

    To be asked while the environment is held, or something else may serve by the time of the switch.
    """
    name = scene.work.spec["to"]
    spec = spec_file.from_json(scene.work.config or {})
    if live is None or live.id == deployment.id or spec.environments[name].order == "any":
        return
    found = behind(live.releases, deployment.releases, lambda one, other: _descends(scene, one, other))
    if found:
        place = Place(project=scene.project.name, environment=name, since=live.id)
        raise Held(held(found, place, services=sorted(deployment.named or ()), forced=_forced(scene, found)))


def _descends(scene: Scene, revision: str, ancestor: str) -> bool:
    source, project = scene.ctx.source, scene.project
    try:
        return source.descends(project.name, revision, ancestor)
    except Unavailable:
        # The mirror is gone or damaged; nothing but a fetch makes it anew.
        try:
            asking.tip(scene.ctx, project, scene.work.ref)
        except StageFailed:
            return False
        return source.descends(project.name, revision, ancestor)


def _forced(scene: Scene, found: Behind) -> str:
    """Return what was done to a branch that held what serves and does not any more; nothing if it was not forced."""
    source, project, ref = scene.ctx.source, scene.project, scene.work.ref
    with scene.ctx.database.read() as session:
        if not catalog.latest_run(session, project.id, found.live.revision, ref=ref):
            return ""
    with suppress(Unavailable):
        if source.holds(project.name, ref, found.live.revision):
            return ""
    back = _descends(scene, found.live.revision, found.new.revision)
    return f"{ref.removeprefix(HEADS)} was forced {'back' if back else 'onto other commits'}"
