"""publish: copy an image that has passed its tests to another registry."""

import re
from collections.abc import Collection
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from pipeline.errors import Conflict, NotFound, Rejected
from pipeline.nearest import missing
from store import jobs, publications
from store.schema import PublicationRow

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")

log = structlog.get_logger()


def publish(
    session: Session, digest: str, *, to: str, tag: str, known: Collection[str], actor: str, at: datetime
) -> PublicationRow:
    """Ask for an image to be copied to a registry that the settings name. Raises NotFound, Conflict, Rejected."""
    image = publications.image_of(session, digest)
    _check(to, tag, known)
    if not image.tested:
        raise Conflict(
            f"{image.service} {image.revision[:7]} has not passed its tests, and only what has is published",
            code="not_tested",
        )
    row = publications.create(session, image, digest, target=to, tag=tag or image.revision, actor=actor, at=at)
    jobs.add(session, jobs.JobKind.PUBLICATION, row.id, at=at)
    log.info("publish_asked", image=f"{image.name}@{digest}", registry=to, tag=row.tag, actor=actor)
    return row


def _check(to: str, tag: str, known: Collection[str]) -> None:
    if to not in known:
        fix = "Name one with SLIPWAY_PUBLISH__NAME__URL."
        raise NotFound(missing(to, sorted(known), "registry"), code="unknown_registry", fix=fix)
    if tag and not TAG.fullmatch(tag):
        raise Rejected(f"{tag[:80]!r} cannot be an image's tag: letters, digits, _, . and -", code="bad_tag")
