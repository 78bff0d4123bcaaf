"""Images: the one image of each service's commit."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pipeline.images import Image
from store.schema import ImageRow, RunRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """How an image was made: the port it exposes, by which builder, and by which recipe."""

    port: int | None
    builder: str
    recipe: str = ""


def find(session: Session, project_id: int, service: str, revision: str, *, by: int | None = None) -> Image | None:
    """Return the image of a service's commit, if it was built.

    `by` is the run that is about to build it: what a stranger's run has made is nothing to one that is trusted.
    """
    row = _find(session, project_id, service, revision)
    return _image(row) if row and not _strangers(session, row, by) else None


def built_by(
    session: Session, project_id: int, service: str, *, recipe: str, refs: Iterable[str], limit: int = 10
) -> tuple[tuple[Image, Made], ...]:
    """Return the newest images of a service that were made by this recipe for runs of these refs, the newest first."""
    mine = (ImageRow.project_id == project_id) & (ImageRow.service == service) & (ImageRow.recipe == recipe)
    query = select(ImageRow).join(RunRow, RunRow.id == ImageRow.run_id).where(mine, RunRow.ref.in_(list(refs)))
    rows = session.scalars(query.order_by(ImageRow.id.desc()).limit(limit))
    return tuple((_image(row), Made(port=row.port, builder=row.builder, recipe=row.recipe)) for row in rows)


def record(session: Session, project_id: int, image: Image, made: Made, *, run_id: int, at: datetime) -> Image:
    """Keep an image; if the commit has one already, that one stays and is returned, unless strangers have made it."""
    known = _find(session, project_id, image.service, image.revision)
    if known is not None and not _strangers(session, known, run_id):
        return _image(known)
    if known is not None:
        known.run_id, known.tested = run_id, False
        replace(session, project_id, image, made)
        return image
    row = ImageRow(
        project_id=project_id,
        service=image.service,
        revision=image.revision,
        name=image.name,
        digest=image.digest,
        size=image.size,
        port=made.port,
        builder=made.builder,
        built_revision=image.built_revision or image.revision,
        recipe=made.recipe,
        release_digest=image.release_digest,
        run_id=run_id,
        created_at=at,
    )
    session.add(row)
    session.flush()
    return _image(row)


def replace(session: Session, project_id: int, image: Image, made: Made) -> None:
    """Put a new digest in the place of one that the registry has lost."""
    row = _find(session, project_id, image.service, image.revision)
    if row is not None:
        row.digest, row.size, row.built_revision = image.digest, image.size, image.built_revision or image.revision
        row.port, row.builder, row.recipe = made.port, made.builder, made.recipe
        row.release_digest = image.release_digest


def tested(session: Session, project_id: int, revision: str) -> None:
    """Note that a commit's images have passed all the tests they have."""
    these = (ImageRow.project_id == project_id) & (ImageRow.revision == revision)
    session.execute(update(ImageRow).where(these).values(tested=True))


def of_revision(session: Session, project_id: int, revision: str) -> tuple[Image, ...]:
    """Return the images of a commit, by service."""
    these = (ImageRow.project_id == project_id) & (ImageRow.revision == revision)
    return tuple(_image(row) for row in session.scalars(select(ImageRow).where(these).order_by(ImageRow.service)))


def port(session: Session, project_id: int, service: str, revision: str) -> int | None:
    """Return the port that an image exposes, if it exposes one."""
    row = _find(session, project_id, service, revision)
    return row.port if row else None


def _find(session: Session, project_id: int, service: str, revision: str) -> ImageRow | None:
    return session.scalar(
        select(ImageRow).where(
            ImageRow.project_id == project_id, ImageRow.service == service, ImageRow.revision == revision
        )
    )


def _strangers(session: Session, row: ImageRow, run_id: int | None) -> bool:
    """Tell whether a run that is not trusted has made an image, and the one that asks is."""
    if run_id is None or row.run_id == run_id:
        return False
    query = select(RunRow.id).where(RunRow.id.in_([row.run_id, run_id]), RunRow.trusted)
    ours = set(session.scalars(query))
    return run_id in ours and row.run_id not in ours


def _image(row: ImageRow) -> Image:
    return Image(
        service=row.service,
        name=row.name,
        revision=row.revision,
        digest=row.digest,
        size=row.size,
        built_revision=row.built_revision or row.revision,
        release_digest=row.release_digest,
    )
