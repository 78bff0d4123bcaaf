"""What is told to the outside of a commit's images: tags that move, and tags that keep history."""

from collections.abc import Iterable

from pipeline.images import history_tag, moving_tags
from pipeline.project import Project
from pipeline.spec_model import Spec
from store import images, numbers, stage_work
from store.built import overtaken_in_tags
from workers.context import Context
from workers.stage import Scene


def publish(scene: Scene, spec: Spec) -> None:
    """Number the run's build, and give its images the tags of its branch or git tag; a stranger's gets neither."""
    ctx, project, work = scene.ctx, scene.project, scene.work
    if not work.trusted:
        return
    with ctx.database.begin() as session:
        number = numbers.give(session, work.run_id)
    _tag(ctx, project, work, history_tag(branch=work.branch, number=number))
    move_tags(ctx, project, work, moving_tags(branch=work.branch, tag=work.tag, default_branch=spec.branch))


def move_tags(ctx: Context, project: Project, work: stage_work.StageWork, tags: Iterable[str]) -> None:
    """Point moving tags at the commit's images, unless a newer run of the same ref has them by now."""
    with ctx.database.read() as session:
        if overtaken_in_tags(session, work.run_id):
            return
    _tag(ctx, project, work, tags)


def _tag(ctx: Context, project: Project, work: stage_work.StageWork, tags: Iterable[str]) -> None:
    with ctx.database.read() as session:
        built = images.of_revision(session, project.id, work.revision)
    wanted = tuple(tags)
    for image in built:
        ctx.registry.tag(image.name, image.digest, wanted)
