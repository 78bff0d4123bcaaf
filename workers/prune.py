"""Prune: forget what is past its time, then take away what the database no longer knows. Nothing in use is touched.

First the database, then the engine and the registry: what was left behind by whoever died in between is found again
the next time, because it is looked for by what is there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from pipeline.errors import Unavailable
from pipeline.leftovers import Orphan
from pipeline.retention import Ages, InUse, Shelf, Spent, Stored, tags, toolchains, unknown_tags, unwanted
from pipeline.stage import Kind
from store import jobs, retention
from workers.context import Context
from workers.reap import left_over

DAY = 86_400.0
NEEDS_ROOM = frozenset({Kind.SOURCE, Kind.BUILD, Kind.TEST, Kind.TASK})

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What would go."""

    orphans: list[Orphan]
    spent: Spent


def handle(ctx: Context, claim: jobs.Claim) -> None:
    """Clean up once."""
    clean(ctx)
    with ctx.database.begin() as session:
        jobs.finish(session, claim)


def preview(ctx: Context) -> Preview:
    """Return what would go, without touching anything."""
    with ctx.database.read() as session:
        spent = retention.spent(session, retention.ages(session), at=ctx.now())
    return Preview(orphans=left_over(ctx), spent=spent)


def clean(ctx: Context) -> Spent:
    """Take away what may go; return what the database has forgotten. A part that does not answer is left for later."""
    spent = forget(ctx)
    shelves, used = _known(ctx)
    with _as_far_as_it_goes("registry"):
        _bring_back(ctx, used)
    for name, shelf in shelves.items():
        with _as_far_as_it_goes("registry"):
            _empty_registry(ctx, name, shelf)
    with _as_far_as_it_goes("engine"):
        _empty_engine(ctx, ctx.storeroom.stored())
        freed = ctx.storeroom.trim_cache()
        log.info("pruned", images=len(spent.images), runs=len(spent.runs), logs=len(spent.logs), cache_bytes=freed)
    return spent


def forget(ctx: Context) -> Spent:
    """Let the database forget what is past its time, and remove what runs left in files."""
    with ctx.database.begin() as session:
        kept = retention.ages(session)
        spent = retention.spent(session, kept, at=ctx.now())
        gone = retention.forget_images(session, spent.images, kept)
    runs = tuple(run_id for run_id in spent.runs if _forgotten(ctx, retention.forget_run, run_id, kept))
    logs = tuple(run_id for run_id in spent.logs if _forgotten(ctx, retention.forget_artifacts, run_id, kept))
    return Spent(images=tuple(gone), runs=runs, logs=logs)


def check_room(ctx: Context, kind: Kind) -> None:
    """Raise Unavailable where a stage would fill up a disk, and have everything cleaned up that may go."""
    lack = ctx.storeroom.lack() if kind in NEEDS_ROOM else None
    if lack is None:
        return
    with ctx.database.begin() as session:
        jobs.add(session, jobs.JobKind.PRUNE, 0, at=ctx.now())
        jobs.hasten(session, jobs.JobKind.PRUNE)
    raise Unavailable(f"{lack}; nothing is built until there is more", code="disk_full", fix="./slipway prune")


def _forgotten(ctx: Context, forget_it: Callable[..., bool], run_id: int, kept: dict[int, Ages]) -> bool:
    """Let the database forget a run or its logs, and remove its files; False if it has gone on meanwhile.

    Its row is held until the files are gone: whoever retries it writes them after that, and keeps them.
    """
    with ctx.database.begin() as session:
        if not forget_it(session, run_id, kept, at=ctx.now()):
            return False
        ctx.storeroom.forget(run_id)
        return True


def _bring_back(ctx: Context, used: InUse) -> None:
    """Push again what the registry has lost of what is in use, where the engine has it still."""
    for reference in sorted(used.references):
        name, _, digest = reference.partition("@")
        if not digest or ctx.registry.digest(name, digest) is not None:
            continue
        tag = next(
            (one for image in ctx.storeroom.stored() if reference in image.references for one in tags(image, name)), ""
        )
        if tag and ctx.engine.push(tag, lambda _line: None) == digest:
            log.warning("image_brought_back", reference=reference)
        else:
            log.error("image_lost", reference=reference)


def _known(ctx: Context) -> tuple[dict[str, Shelf], InUse]:
    with ctx.database.read() as session:
        return retention.shelves(session), retention.in_use(session)


def _empty_registry(ctx: Context, name: str, shelf: Shelf) -> None:
    for tag in unknown_tags(ctx.storeroom.tags(name), shelf):
        now = _asked_again(ctx).get(name)
        if now and any(unknown_tags((tag,), now)) and ctx.storeroom.remove_tag(name, tag, keep=now.digests):
            log.info("image_removed", where="registry", reference=f"{name}:{tag}")


def _empty_engine(ctx: Context, stored: tuple[Stored, ...]) -> None:
    shelves = _asked_again(ctx, stored)
    for one in stored:
        dangling = (one.id,) if not one.references and one.age > DAY else ()
        for reference in dangling or (unwanted(one, shelves) and unwanted(one, _asked_again(ctx, stored))):
            if ctx.storeroom.remove(reference):
                log.info("image_removed", where="engine", reference=reference)


def _asked_again(ctx: Context, stored: tuple[Stored, ...] = ()) -> dict[str, Shelf]:
    """Return what is known just before something is taken away: it was built, or deployed, while we cleaned up."""
    shelves, used = _known(ctx)
    return shelves | toolchains(stored, f"slipway-{ctx.home}/toolchain/", used)


@contextmanager
def _as_far_as_it_goes(part: str) -> Iterator[None]:
    try:
        yield
    except Unavailable as fault:
        log.warning("not_pruned", part=part, code=fault.code, detail=fault.sentence)
