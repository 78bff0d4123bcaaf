"""One service's image of one commit: looked up, taken over, brought back, or built and pushed."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import BinaryIO

from pipeline.changes import recipe
from pipeline.containers import Limits
from pipeline.dockerfile import check_dockerfile
from pipeline.errors import StageFailed, Unavailable
from pipeline.images import RELEASE, Image, ImageSpec, image_labels, image_name
from pipeline.names import run_name, short
from pipeline.ports import ImageFacts
from pipeline.spec_service import Service
from store import images
from workers.builder import contexts
from workers.outsiders import reach
from workers.pushing import push
from workers.reuse import is_there, unchanged
from workers.stage import Scene

CA_BUNDLE = "ca_bundle"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """Where one service's image is made: what it may say, when to stop, and the secrets of the stage."""

    scene: Scene
    name: str
    service: Service
    say: Callable[[str], None]
    stop: Callable[[], bool]
    secrets: Mapping[str, str]

    @property
    def limits(self) -> Limits:
        """How long the build may take, and say nothing."""
        given, default = self.scene.work.spec, self.scene.ctx.build_limits
        return Limits(seconds=given.get("timeout") or default.seconds, silence=given.get("silence") or default.silence)


def make(bench: Bench) -> str:
    """See that the commit has an image of the service, and return how it came by it."""
    scene, service = bench.scene, bench.service
    ctx, work = scene.ctx, scene.work
    with ctx.database.read() as session:
        known = images.find(session, scene.project.id, bench.name, work.revision, by=work.run_id)
    if known and (is_there(scene, known) or _restored(bench, known)):
        bench.say(f"{bench.name}: this commit was built before: {known.reference}")
        return "was built before"
    text = dockerfile(bench, service.build.context, service.build.dockerfile)
    said = service.model_dump(mode="json", exclude_none=True)
    made_by = recipe(said, text + _builders_dockerfile(bench))
    found = None if known else unchanged(scene, bench.name, service, made_by, bench.say)
    image, made = found or _build(bench, text, made_by)
    with ctx.database.begin() as session:
        if known:
            images.replace(session, scene.project.id, image, made)
        kept = images.record(session, scene.project.id, image, made, run_id=work.run_id, at=ctx.now())
    if kept.digest != image.digest:
        _give_way(bench, kept)
    return f"unchanged since {short(image.built_revision)}" if found else "built"


def dockerfile(bench: Bench, context: str, path: str) -> bytes:
    """Return a Dockerfile of the commit. Raises StageFailed if there is none, or none that can be built."""
    scene, name = bench.scene, bench.name
    path = path if context == "." else f"{context}/{path}"
    text = scene.ctx.source.read(scene.project.name, scene.work.revision, path)
    if text is None:
        raise StageFailed(f"{name}: there is no {path} in this commit", code="no_dockerfile")
    content = text.decode(errors="replace")
    problem = check_dockerfile(content, scene.ctx.engine.builder())
    if problem:
        raise StageFailed(f"{path}: {problem}", code="bad_dockerfile")
    refusal = None if scene.work.trusted else reach(scene).check(content)
    if refusal:
        raise StageFailed(f"{path}: {refusal}", code="not_for_forks")
    return text


def _builders_dockerfile(bench: Bench) -> bytes:
    path = bench.service.builder.dockerfile if bench.service.builder else None
    return dockerfile(bench, ".", path) if path else b""


def _give_way(bench: Bench, kept: Image) -> None:
    """Leave the commit's tags to the image that another run has made of it meanwhile: there is only one."""
    bench.say(f"{bench.name}: another run was faster: {kept.reference}")
    registry = bench.scene.ctx.registry
    registry.tag(kept.name, kept.digest, (kept.revision,))
    if kept.release_digest:
        registry.tag(kept.name, kept.release_digest, (f"{kept.revision}{RELEASE}",))


def _restored(bench: Bench, image: Image) -> bool:
    """Push an image again that the registry has lost and the engine still has; False if it is another by then."""
    ctx = bench.scene.ctx
    ours = {image.digest: image.reference} | (
        {image.release_digest: image.release_reference} if image.release_digest else {}
    )
    for digest, reference in ours.items():
        if ctx.engine.image(reference) is None:
            return False
        tag = image.tag if digest == image.digest else image.release_tag
        ctx.engine.tag(reference, tag)
        if push(ctx, tag, bench.say, bench.stop) != digest:
            return False
    bench.say(f"{bench.name}: the registry had lost it; pushed again from the engine")
    return True


def _build(bench: Bench, text: bytes, made_by: str) -> tuple[Image, images.Made]:
    ctx = bench.scene.ctx
    spec = _image_spec(bench)
    with contexts(bench, text, spec.created) as context:
        facts = _built(bench, spec, context)
        stripped = _release_spec(bench, spec)
        if stripped:
            bench.say(f"{bench.name}: building the release image")
            _built(bench, stripped, context)
    image = Image(
        service=bench.name,
        name=spec.name,
        revision=spec.revision,
        digest=_pushed(bench, spec),
        size=facts.size,
        built_revision=spec.revision,
        release_digest=_pushed(bench, stripped) if stripped else "",
    )
    bench.say(f"{bench.name}: pushed {image.reference}")
    return image, images.Made(port=facts.port, builder=ctx.engine.builder(), recipe=made_by)


def _built(bench: Bench, spec: ImageSpec, context: Callable[[], AbstractContextManager[BinaryIO]]) -> ImageFacts:
    """Build an image, unless an earlier attempt of this stage did and only its push did not come through."""
    ctx, work = bench.scene.ctx, bench.scene.work
    if work.attempt > 1 and (facts := ctx.engine.image(spec.reference)) and spec.labels.items() <= facts.labels.items():
        bench.say(f"{bench.name}: an earlier attempt has built it")
        return facts
    with context() as stream:
        ctx.engine.build(spec, stream, bench.say, bench.limits, bench.stop)
    facts = ctx.engine.image(spec.reference)
    if facts is None:
        raise Unavailable(f"{spec.reference} was built and is not there", code="image_lost")
    return facts


def _pushed(bench: Bench, spec: ImageSpec) -> str:
    """Push an image and return its digest, which the registry confirms."""
    ctx = bench.scene.ctx
    digest = push(ctx, spec.reference, bench.say, bench.stop)
    there = ctx.registry.digest(spec.name, f"{spec.revision}{spec.suffix}")
    if there != digest:
        raise Unavailable(f"the registry has {there} for {spec.reference}, not {digest}", code="registry_mismatch")
    return digest


def _image_spec(bench: Bench) -> ImageSpec:
    ctx, work, project = bench.scene.ctx, bench.scene.work, bench.scene.project
    created = ctx.source.commit(project.name, work.revision).committed_at
    build = bench.service.build
    given = {name: bench.secrets[name] for name in build.secrets}
    if ctx.builds.ca_bundle and ctx.engine.builder() == "buildkit":
        given.setdefault(CA_BUNDLE, ctx.builds.ca_bundle)
    return ImageSpec(
        name=image_name(ctx.registry_address, project.name, bench.name),
        revision=work.revision,
        context=build.context,
        dockerfile=build.dockerfile,
        target=build.target,
        args={"SOURCE_DATE_EPOCH": str(int(created.timestamp()))} | dict(build.args),
        secrets=given,
        passing=ctx.builds.proxies,
        labels=image_labels(
            home=ctx.home,
            project=project.name,
            service=bench.name,
            revision=work.revision,
            run=run_name(work.run_id),
            source=project.url,
            created=created,
            version=work.tag or work.revision,
        ),
        trusted=work.trusted,
        created=created,
    )


def _release_spec(bench: Bench, spec: ImageSpec) -> ImageSpec | None:
    """Return the stripped image beside another: another target, more arguments, and a tag of its own."""
    release = bench.service.release
    if release is None:
        return None
    args = {**spec.args, **release.args}
    return replace(spec, target=release.target or spec.target, args=args, suffix=RELEASE)
