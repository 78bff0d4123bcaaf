"""Images and their publications, as plain dictionaries."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from pipeline.errors import NotFound
from store.schema import ImageRow, ProjectRow, PublicationRow
from store.views import LAST_DIGITS, NEWEST, Page, View, below, image, listed, when


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFilter:
    """Which images are asked for; an empty word is all of them."""

    project: str = ""
    service: str = ""
    revision: str = ""


def images(session: Session, wanted: ImageFilter, page: Page = NEWEST) -> View:
    """Return images, the newest first."""
    query = select(ImageRow, ProjectRow.name).join(ProjectRow, ProjectRow.id == ImageRow.project_id)
    if wanted.project:
        query = query.where(ProjectRow.name == wanted.project)
    if wanted.service:
        query = query.where(ImageRow.service == wanted.service)
    if wanted.revision:
        query = query.where(ImageRow.revision.between(wanted.revision, f"{wanted.revision}{LAST_DIGITS}"))
    query = query.where(below(ImageRow.id, page)).order_by(ImageRow.id.desc())
    return listed([_known(row, project) for row, project in session.execute(query.limit(page.limit + 1))], page)


def whole(session: Session, digest: str) -> View:
    """Return the newest image of a digest, with where it was published. Raises NotFound."""
    same = or_(ImageRow.digest == digest, ImageRow.release_digest == digest)
    query = select(ImageRow, ProjectRow.name).join(ProjectRow, ProjectRow.id == ImageRow.project_id)
    found = session.execute(query.where(same).order_by(ImageRow.id.desc()).limit(1)).one_or_none()
    if found is None:
        raise NotFound(f"there is no image {digest[:80]}", code="unknown_image", fix="GET /api/v1/images lists them.")
    row, project = found
    digests = [one for one in (row.digest, row.release_digest) if one]
    published = select(PublicationRow).where(PublicationRow.digest.in_(digests)).order_by(PublicationRow.id.desc())
    rows = session.scalars(published.limit(NEWEST.limit))
    return _known(row, project) | {"publications": [publication(one, project) for one in rows]}


def publication(row: PublicationRow, project: str) -> View:
    """Return a publication."""
    same = ("service", "revision", "digest", "tag", "state", "reason", "code", "actor")
    facts: dict[str, Any] = {name: getattr(row, name) for name in same}
    times = {"created_at": when(row.created_at), "finished_at": when(row.finished_at)}
    return {
        "id": str(row.id),
        "project": project,
        "registry": row.target,
        **facts,
        "reference": row.reference or None,
        **times,
    }


def _known(row: ImageRow, project: str) -> View:
    who = {"id": str(row.id), "project": project, "revision": row.revision, "run": f"r{row.run_id}"}
    return image(row) | who | {"created_at": when(row.created_at)}
