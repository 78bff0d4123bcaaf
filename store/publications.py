"""Publications: images that are copied to other registries, and how that went."""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from pipeline.errors import NotFound
from store.schema import ImageRow, PublicationRow

QUEUED, PUBLISHED, FAILED, ERROR = "queued", "published", "failed", "error"


def image_of(session: Session, digest: str) -> ImageRow:
    """Return the newest image of this digest, be it a service's own or its stripped one. Raises NotFound."""
    same = or_(ImageRow.digest == digest, ImageRow.release_digest == digest)
    row = session.scalar(select(ImageRow).where(same).order_by(ImageRow.id.desc()).limit(1))
    if row is None:
        raise NotFound(f"there is no image {digest[:80]}", code="unknown_image", fix="GET /api/v1/images lists them.")
    return row


def create(
    session: Session, image: ImageRow, digest: str, *, target: str, tag: str, actor: str, at: datetime
) -> PublicationRow:
    """Note that an image is to be published."""
    row = PublicationRow(
        project_id=image.project_id,
        service=image.service,
        revision=image.revision,
        name=image.name,
        digest=digest,
        target=target,
        tag=tag,
        state=QUEUED,
        actor=actor,
        created_at=at,
    )
    session.add(row)
    session.flush()
    return row


def get(session: Session, publication_id: int) -> PublicationRow:
    """Return a publication. Raises NoResultFound."""
    return session.get_one(PublicationRow, publication_id)


def end(
    session: Session,
    publication_id: int,
    state: str,
    *,
    at: datetime,
    reference: str = "",
    reason: str = "",
    code: str = "",
) -> None:
    """Note how a publication ended."""
    row = get(session, publication_id)
    row.state, row.reference, row.reason, row.code, row.finished_at = state, reference, reason, code, at
