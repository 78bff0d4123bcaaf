"""What is told to the outside of a commit's images: tags that move, and tags that keep history."""

from collections.abc import Iterable

from pipeline.images import history_tag, moving_tags
from pipeline.spec_model import Spec
from store import images, numbers
from store.built import overtaken_in_tags
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


def move_tags(scene: Scene, tags: Iterable[str]) -> None:
    """Point moving tags at the commit's images, unless a newer run of the same ref has them by now."""
    with scene.ctx.database.read() as session:
        if overtaken_in_tags(session, scene.work.run_id):
            return
    _tag(scene, tags)


def _tag(scene: Scene, tags: Iterable[str]) -> None:
    with scene.ctx.database.read() as session:
        built = images.of_revision(session, scene.project.id, scene.work.revision)
    for tag in tags:
        for image in built:
            reference = f"{image.name}:{tag}"
            scene.ctx.engine.tag(image.reference, reference)
            push(scene.ctx, reference, lambda _line: None, scene.ctx.stopping.is_set)
