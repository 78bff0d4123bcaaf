"""The build stage: one image per service and commit, built once, known by digest from then on."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from pipeline import spec as spec_file
from pipeline.changes import recipe
from pipeline.containers import Limits
from pipeline.dockerfile import check_dockerfile
from pipeline.errors import StageFailed, Unavailable
from pipeline.images import Image, ImageSpec, image_labels, image_name, moving_tags
from pipeline.names import run_name, short
from pipeline.outcome import State, passed
from pipeline.stage import Kind
from store import images, runs
from store.built import overtaken_in_tags
from workers import asking
from workers.reuse import is_there, unchanged
from workers.stage import Done, Scene


def build(scene: Scene) -> Done:
    """Build every service the stage names, unless its commit has an image or can do with an earlier one."""
    if scene.work.attempt > 1:
        # The mirror may be what was wrong: a damaged one is thrown away where it is found, and made anew only here.
        asking.fetch(scene.ctx, scene.project, scene.work.ref, scene.work.revision)
    spec = spec_file.from_json(scene.work.config or {})
    wanted = scene.work.spec["services"]
    built = {name: _service(scene, name, service) for name, service in spec.services.items() if name in wanted}
    sentence = ", ".join(f"{name} {what}" for name, what in built.items())

    move_tags(scene, moving_tags(branch=scene.work.branch, tag=scene.work.tag, default_branch=spec.branch))
    return Done(outcome=passed(sentence), record=lambda session: mark_tested(session, scene))


def mark_tested(session: Session, scene: Scene) -> None:
    """Note that the commit's images are good once every build and test of the run but this one has passed."""
    if is_last_check(session, scene):
        images.tested(session, scene.project.id, scene.work.revision)


def is_last_check(session: Session, scene: Scene) -> bool:
    """Tell whether every build and test of the run but this one has passed."""
    run = runs.load(session, scene.work.run_id)
    others = [one for one in run.stages if one.kind in {Kind.BUILD, Kind.TEST} and one.id != scene.work.stage.id]
    return all(one.state in {State.PASSED, State.SKIPPED} for one in others)


def move_tags(scene: Scene, tags: Iterable[str]) -> None:
    """Point moving tags at the commit's images, unless a newer run of the same ref has them by now."""
    with scene.ctx.database.read() as session:
        built = images.of_revision(session, scene.project.id, scene.work.revision)
        if overtaken_in_tags(session, scene.work.run_id):
            return
    for tag in tags:
        for image in built:
            reference = f"{image.name}:{tag}"
            scene.ctx.engine.tag(image.reference, reference)
            scene.ctx.engine.push(reference, lambda _line: None)


def _service(scene: Scene, name: str, service: spec_file.Service) -> str:
    """See that the commit has an image of the service, and return how it came by it."""
    ctx, work = scene.ctx, scene.work
    with ctx.database.read() as session:
        known = images.find(session, scene.project.id, name, work.revision)
    if known and is_there(scene, known):
        scene.transcript.write(f"{name}: this commit was built before: {known.reference}")
        return "was built before"
    made_by = recipe(service.model_dump(mode="json", exclude_none=True), _dockerfile(scene, name, service))
    found = None if known else unchanged(scene, name, service, made_by)
    image, made = found or _build(scene, name, service, made_by)
    with ctx.database.begin() as session:
        if known:
            images.replace(session, scene.project.id, image, made)
        images.record(session, scene.project.id, image, made, run_id=work.run_id, at=ctx.now())
    return f"unchanged since {short(image.built_revision)}" if found else "built"


def _build(scene: Scene, name: str, service: spec_file.Service, made_by: str) -> tuple[Image, images.Made]:
    ctx, work = scene.ctx, scene.work
    spec = _image_spec(scene, name, service)
    limits = Limits(
        seconds=work.spec.get("timeout") or ctx.build_limits.seconds,
        silence=work.spec.get("silence") or ctx.build_limits.silence,
    )
    with ctx.source.archive(scene.project.name, work.revision, spec.context) as context:
        ctx.engine.build(spec, context, scene.transcript.write, limits, ctx.stopping.is_set)
    digest = ctx.engine.push(spec.reference, scene.transcript.write)
    facts = ctx.engine.image(spec.reference)
    if facts is None:
        raise Unavailable(f"{spec.reference} was built and is not there", code="image_lost")
    image = Image(
        service=name,
        name=spec.name,
        revision=work.revision,
        digest=digest,
        size=facts.size,
        built_revision=work.revision,
    )
    _check_pushed(scene, image)
    scene.transcript.write(f"{name}: pushed {image.reference}")
    return image, images.Made(port=facts.port, builder=ctx.engine.builder(), recipe=made_by)


def _image_spec(scene: Scene, name: str, service: spec_file.Service) -> ImageSpec:
    ctx, work, project = scene.ctx, scene.work, scene.project
    created = ctx.source.commit(project.name, work.revision).committed_at
    return ImageSpec(
        name=image_name(ctx.registry_address, project.name, name),
        revision=work.revision,
        context=service.build.context,
        dockerfile=service.build.dockerfile,
        target=service.build.target,
        args={"SOURCE_DATE_EPOCH": str(int(created.timestamp()))} | dict(service.build.args),
        labels=image_labels(
            home=ctx.home,
            project=project.name,
            service=name,
            revision=work.revision,
            run=run_name(work.run_id),
            source=project.url,
            created=created,
            version=work.tag or work.revision,
        ),
        created=created,
    )


def _dockerfile(scene: Scene, name: str, service: spec_file.Service) -> bytes:
    """Return a service's Dockerfile. Raises StageFailed if there is none, or none that can be built."""
    context = service.build.context
    path = service.build.dockerfile if context == "." else f"{context}/{service.build.dockerfile}"
    text = scene.ctx.source.read(scene.project.name, scene.work.revision, path)
    if text is None:
        raise StageFailed(f"{name}: there is no {path} in this commit", code="no_dockerfile")
    problem = check_dockerfile(text.decode(errors="replace"), scene.ctx.engine.builder())
    if problem:
        raise StageFailed(f"{path}: {problem}", code="bad_dockerfile")
    return text


def _check_pushed(scene: Scene, image: Image) -> None:
    there = scene.ctx.registry.digest(f"{scene.project.name}/{image.service}", image.revision)
    if there != image.digest:
        raise Unavailable(f"the registry has {there} for {image.tag}, not {image.digest}", code="registry_mismatch")
