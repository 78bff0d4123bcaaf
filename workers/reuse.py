"""The image a commit need not build: nothing the service is made of has changed since it was."""

from dataclasses import replace

from pipeline.errors import Unavailable
from pipeline.images import Image, image_name
from pipeline.names import short
from pipeline.ports import Line
from pipeline.push import HEADS
from pipeline.spec import Service
from store import images
from workers.stage import Scene


def unchanged(scene: Scene, name: str, service: Service, recipe: str, say: Line) -> tuple[Image, images.Made] | None:
    """Return the image there is, as this commit's, if it is as good as a new one; its tag is in the registry then.

    Only commits that this one contains are asked: what nobody has merged can put nothing into an image here.
    """
    paths = service.made_of
    if paths is None:
        return None
    found = _last_built(scene, name, recipe)
    if found is None:
        return None
    image, made = found
    changed = scene.ctx.source.changed(scene.project.name, image.built_revision, scene.work.revision)
    if paths.touched_by(changed):
        return None
    ours = replace(image, revision=scene.work.revision)
    if not _tagged(scene, ours, say):
        return None
    say(f"{name}: unchanged since {short(image.built_revision)}: {image.reference}")
    return ours, made


def is_there(scene: Scene, image: Image) -> bool:
    """Tell whether an image is in the registry and on the engine, or can be brought there."""
    ours = {image.digest: image.reference} | ({image.release_digest: image.release_reference})
    return all(
        scene.ctx.registry.digest(image.name, digest) and scene.ctx.engine.image(reference)
        for digest, reference in ours.items()
        if digest
    )


def _last_built(scene: Scene, name: str, recipe: str) -> tuple[Image, images.Made] | None:
    work, project = scene.work, scene.project
    refs = {work.ref, f"{HEADS}{project.default_branch}"}
    with scene.ctx.database.read() as session:
        known = images.built_by(session, project.id, name, recipe=recipe, refs=refs)
    return next(
        (one for one in known if scene.ctx.source.descends(project.name, work.revision, one[0].built_revision)), None
    )


def _tagged(scene: Scene, image: Image, say: Line) -> bool:
    """Give the image this commit's tag in the registry; False if that cannot be had for the same digest."""
    ctx = scene.ctx
    if image.name != image_name(ctx.registry_address, scene.project.name, image.service) or not is_there(scene, image):
        return False
    try:
        for reference, tag, digest in (
            (image.reference, image.tag, image.digest),
            (image.release_reference, image.release_tag, image.release_digest),
        ):
            if digest:
                ctx.engine.tag(reference, tag)
                if ctx.engine.push(tag, say) != digest:
                    return False
    except Unavailable as fault:
        say(f"{image.service}: {fault.sentence}; building it")
        return False
    return True
