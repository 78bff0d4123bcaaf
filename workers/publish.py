"""What is told to the outside of a commit's images: tags that move, and tags that keep history."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from pipeline.decide import OWN_TAGS
from pipeline.errors import Cancelled, SlipwayError
from pipeline.images import history_tag, moving_tags
from pipeline.outcome import State
from pipeline.spec_model import Spec
from pipeline.stage import Kind
from store import images, numbers, runs
from store.built import overtaken_in_tags
from workers import asking
from workers.pushing import push
from workers.stage import Scene


def publish(scene: Scene, spec: Spec) -> None:
    """Number the run's build, and give its images the tags of its branch or git tag; a stranger's gets neither."""
    work = scene.work
    if not work.trusted:
        return
    with scene.ctx.database.begin() as session:
        number = numbers.give(session, work.run_id)
    branch = work.branch
    _tag(scene, history_tag(branch=branch, number=number))
    move_tags(scene, moving_tags(branch=branch, tag=work.tag, default_branch=spec.branch))


def announce_tested(scene: Scene) -> str:
    """Once every build and test of the run but this one has passed, say so by tags: in the registry, and in git.

    Returns what went wrong with git's, for that makes nothing of the project's wrong.
    """
    work = scene.work
    with scene.ctx.database.read() as session:
        if not work.trusted or work.branch is None or not is_last_check(session, scene):
            return ""
        number = runs.work(session, work.stage.id).build_number
    if work.branch == scene.project.default_branch:
        move_tags(scene, ("tested",))
    if number is None or not (scene.project.rules or {}).get(OWN_TAGS):
        return ""
    return _tag_commit(scene, f"build-{work.branch}-{number}")


def is_last_check(session: Session, scene: Scene) -> bool:
    """Tell whether every build and test of the run but this one has passed."""
    run = runs.load(session, scene.work.run_id)
    others = [one for one in run.stages if one.kind in {Kind.BUILD, Kind.TEST} and one.id != scene.work.stage.id]
    return all(one.state in {State.PASSED, State.SKIPPED} for one in others)


def move_tags(scene: Scene, tags: Iterable[str]) -> None:
    """Point moving tags at the commit's images, unless a newer run of the same ref has them by now."""
    with scene.ctx.database.read() as session:
        if overtaken_in_tags(session, scene.work.run_id):
            return
    _tag(scene, tags)


def _tag_commit(scene: Scene, name: str) -> str:
    try:
        asking.push_tag(scene.ctx, scene.project, scene.work.revision, name)
    except Cancelled:
        raise
    except SlipwayError as fault:
        scene.transcript.write(f"the tag {name} was not pushed: {fault.sentence}")
        return f"the tag {name} was not pushed: {scene.transcript.masked(fault.sentence)}"
    scene.transcript.write(f"pushed the tag {name}")
    return ""


def _tag(scene: Scene, tags: Iterable[str]) -> None:
    with scene.ctx.database.read() as session:
        built = images.of_revision(session, scene.project.id, scene.work.revision)
    for tag in tags:
        for image in built:
            reference = f"{image.name}:{tag}"
            scene.ctx.engine.tag(image.reference, reference)
            push(scene.ctx, reference, lambda _line: None, scene.ctx.stopping.is_set)
