"""Where a build's context comes from: the commit's tree, or what a build container made of it."""

import posixpath
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from pipeline.containers import ContainerSpec, environment_variables, labels
from pipeline.context_tar import context_tar
from pipeline.images import ImageSpec, image_labels
from pipeline.names import label, run_name
from pipeline.ports import Produced
from pipeline.spec_service import Builder
from workers.outsiders import check_image

if TYPE_CHECKING:
    from workers.image import Bench

WORKSPACE, CACHE, CERTIFICATES = "/workspace", "/cache", "/run/slipway/ca.pem"
# By what programs are told of certificates: OpenSSL, curl, git, pip, requests, node.
TRUST = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
# https://bford.info/cachedir/
CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n"
Open = Callable[[], AbstractContextManager[BinaryIO]]


@contextmanager
def contexts(bench: "Bench", text: bytes, created: datetime) -> Iterator[Open]:
    """Return what opens the build's context, as often as it is asked while the block lasts."""
    scene, builder = bench.scene, bench.service.builder
    archive = partial(scene.ctx.source.archive, scene.project.name, scene.work.revision)
    if builder is None:
        yield partial(archive, bench.service.build.context)
        return
    spec = _container(bench, builder, _toolchain(bench, builder, created))
    with archive(".") as tree:
        work = scene.ctx.engine.produce(spec, tree, bench.say, bench.limits, bench.stop)
        with work as produced:
            yield partial(_output, produced, bench, text, created)


@contextmanager
def _output(produced: Produced, bench: "Bench", text: bytes, created: datetime) -> Iterator[BinaryIO]:
    """Open what the container made, as the context: with the commit's own Dockerfile, which has been checked."""
    builder = bench.service.builder
    path = posixpath.normpath(posixpath.join(WORKSPACE, builder.output if builder else "."))
    with produced.read(path) as stream:
        yield context_tar(stream, dockerfile=bench.service.build.dockerfile, text=text, created=created)


def _toolchain(bench: "Bench", builder: Builder, created: datetime) -> str:
    """Return the image to build in: the one that is named, or the one that a Dockerfile of the commit makes."""
    ctx, work, project = bench.scene.ctx, bench.scene.work, bench.scene.project
    if builder.dockerfile is None:
        check_image(bench.scene, builder.image)
        return builder.image
    folder, file = posixpath.split(posixpath.normpath(builder.dockerfile))
    run = run_name(work.run_id)
    spec = ImageSpec(
        name=f"slipway-{ctx.home}/toolchain/{project.name}/{bench.name}",
        revision=work.revision,
        dockerfile=file,
        target=builder.target,
        passing=ctx.builds.proxies,
        labels=image_labels(
            home=ctx.home,
            project=project.name,
            service=bench.name,
            revision=work.revision,
            run=run,
            source=project.url,
            created=created,
            version=work.revision,
        ),
        trusted=work.trusted,
        created=created,
    )
    with ctx.source.archive(project.name, work.revision, folder or ".") as context:
        # Known by its content from here on, so that nobody who moves the tag changes what is built in.
        return ctx.engine.build(spec, context, bench.say, bench.limits, bench.stop)


def _container(bench: "Bench", builder: Builder, image: str) -> ContainerSpec:
    ctx, work, project = bench.scene.ctx, bench.scene.work, bench.scene.project
    run = run_name(work.run_id)
    where = {"service": bench.name, "branch": work.branch or "", "stage": work.stage.name, "run_id": run}
    known = environment_variables(project=project.name, revision=work.revision, **where)
    marks = {"service": bench.name, "revision": work.revision, "run": run, "stage": work.stage.name}
    return ContainerSpec(
        name=f"slipway-{ctx.home}-{run}-{work.stage.name}-{bench.name}-builder",
        image=image,
        command=tuple(builder.run),
        env={"CI": "true"}
        | known
        | dict(ctx.builds.proxies)
        | (dict.fromkeys(TRUST, CERTIFICATES) if ctx.builds.ca_bundle else {})
        | dict(builder.env)
        | {name: bench.secrets[name] for name in builder.secrets},
        labels=labels(ctx.home, project=project.name, **marks),
        network=ctx.engine.network_alone() or _NETWORK,
        workdir=WORKSPACE,
        files=({CERTIFICATES: ctx.builds.ca_bundle.encode()} if ctx.builds.ca_bundle else {})
        | ({} if work.trusted else {f"{CACHE}/CACHEDIR.TAG": CACHE_TAG}),
        # What a stranger's run left in it would be run, with secrets, by the next one of ours.
        caches={f"slipway-{ctx.home}-cache-{label(project.name)}-{label(bench.name)}": CACHE} if work.trusted else {},
        memory=ctx.memory,
    )


# Where the engine keeps nobody apart: builds reach what they need to fetch over its own bridge, and each other.
_NETWORK = "bridge"
