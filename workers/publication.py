"""A publication: an image copied to another registry, because a person wants it there."""

import structlog
from sqlalchemy.orm import Session

from pipeline.errors import NotFound, SlipwayError, StageFailed
from store import jobs, publications
from store.publications import ERROR, FAILED, PUBLISHED
from workers.context import Context

log = structlog.get_logger()


def handle(ctx: Context, claim: jobs.Claim) -> None:
    """Copy the image; what is there already is not sent again, so that twice is the same as once."""
    with ctx.database.begin() as session:
        jobs.renew(session, claim)
        asked = publications.get(session, claim.ref_id)
        if asked.finished_at is not None:
            jobs.finish(session, claim)
            return
    target = ctx.published.get(asked.target)
    if target is None:
        raise NotFound(f"there is no registry {asked.target} in the settings", code="unknown_registry")
    try:
        there = ctx.copies.copy(asked.name, asked.digest, target, tag=asked.tag, line=_say, stop=ctx.stopping.is_set)
    except StageFailed as failure:
        _end(ctx, claim, FAILED, reason=failure.sentence, code=failure.code)
        return
    log.info("published", image=f"{asked.name}@{asked.digest}", to=f"{there}:{asked.tag}", actor=asked.actor)
    _end(ctx, claim, PUBLISHED, reference=f"{there}@{asked.digest}")


def give_up(ctx: Context, session: Session, claim: jobs.Claim, fault: SlipwayError) -> None:
    """Say why an image could not be published; it is as it was here."""
    reason = ". ".join(part for part in (fault.sentence, fault.fix) if part)
    publications.end(session, claim.ref_id, ERROR, at=ctx.now(), reason=reason, code=fault.code)


def _say(line: str) -> None:
    log.debug("publishing", detail=line)


def _end(ctx: Context, claim: jobs.Claim, state: str, *, reference: str = "", reason: str = "", code: str = "") -> None:
    with ctx.database.begin() as session:
        jobs.finish(session, claim)
        publications.end(session, claim.ref_id, state, at=ctx.now(), reference=reference, reason=reason, code=code)
