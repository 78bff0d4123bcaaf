"""Artifacts: what stages left behind. The files lie under the home, by digest: no name from outside is a path here."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.errors import NotFound
from pipeline.names import run_name
from store.schema import ArtifactRow, StageRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A file that a stage of a run left behind; `path` is its name among the stage's, `digest` its SHA-256."""

    run_id: int
    stage: str
    path: str
    size: int
    digest: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A file that has been put away."""

    path: str
    size: int
    digest: str


def of_run(session: Session, run_id: int) -> tuple[Artifact, ...]:
    """Return everything the stages of a run left behind, stage by stage."""
    query = select(ArtifactRow, StageRow).join(StageRow, StageRow.id == ArtifactRow.stage_id)
    rows = session.execute(query.where(ArtifactRow.run_id == run_id).order_by(StageRow.position, ArtifactRow.path))
    return tuple(_artifact(row, stage) for row, stage in rows)


def find(session: Session, run_id: int, stage: str, path: str) -> Artifact:
    """Return one artifact. Raises NotFound."""
    query = select(ArtifactRow, StageRow).join(StageRow, StageRow.id == ArtifactRow.stage_id)
    mine = (ArtifactRow.run_id == run_id) & (StageRow.name == stage) & (ArtifactRow.path == path)
    found = session.execute(query.where(mine)).first()
    if found is None:
        raise NotFound(f"{run_name(run_id)} has no artifact {stage}/{path}", code="unknown_artifact")
    return _artifact(found[0], found[1])


def path(directory: Path, artifact: Artifact) -> Path:
    """Return where an artifact's content lies under the directory of all artifacts."""
    return folder(directory, artifact.run_id, artifact.stage) / artifact.digest


def folder(directory: Path, run_id: int, stage: str) -> Path:
    """Return where a stage's artifacts lie; a run's are all beneath the folder above it."""
    return directory / run_name(run_id) / stage


def record(session: Session, run_id: int, stage_id: int, kept: Iterable[Kept], *, at: datetime) -> None:
    """Note what a stage left behind; a file of the same name takes the place of an earlier attempt's."""
    known = {row.path: row for row in session.scalars(select(ArtifactRow).where(ArtifactRow.stage_id == stage_id))}
    for one in kept:
        row = known.get(one.path)
        if row is None:
            row = known[one.path] = ArtifactRow(run_id=run_id, stage_id=stage_id, path=one.path)
            session.add(row)
        row.size, row.digest, row.created_at = one.size, one.digest, at
    session.flush()


def _artifact(row: ArtifactRow, stage: StageRow) -> Artifact:
    return Artifact(
        run_id=row.run_id,
        stage=stage.name,
        path=row.path,
        size=row.size,
        digest=row.digest,
        created_at=row.created_at,
    )
