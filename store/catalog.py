"""The catalogue: which services were ever built, and what a ref means, by SQL alone and never by git."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from pipeline.push import HEADS, TAGS
from store.schema import DeploymentRow, EnvironmentRow, ImageRow, ProjectRow, RunRow

FURTHEST_BACK = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A service that has at least one image."""

    project_id: int
    project: str
    service: str

    @property
    def full(self) -> str:
        """Its name where the service's own is not enough."""
        return f"{self.project}/{self.service}"


def services(session: Session) -> tuple[Known, ...]:
    """Return every service that was ever built, by project and name."""
    rows = session.execute(
        select(ImageRow.project_id, ProjectRow.name, ImageRow.service)
        .join(ProjectRow, ProjectRow.id == ImageRow.project_id)
        .distinct()
        .order_by(ProjectRow.name, ImageRow.service)
    )
    return tuple(
        Known(project_id=project_id, project=project, service=service) for project_id, project, service in rows
    )


def built(session: Session, known: Known, ref: str, *, tested: bool = False) -> str | None:
    """Return the newest revision of a whole ref (refs/heads/main) that has an image, or a tested one.

    Newest is what was pushed last: a run made again later does not make an old revision new.
    """
    query = _pushed(known.project_id, ref).join(
        ImageRow, (ImageRow.project_id == RunRow.project_id) & (ImageRow.revision == RunRow.revision)
    )
    query = query.where(ImageRow.service == known.service)
    return session.scalar(query.where(ImageRow.tested) if tested else query)


def pushed(session: Session, project_id: int, ref: str) -> str | None:
    """Return the newest revision that was pushed to a whole ref, built or not."""
    return session.scalar(_pushed(project_id, ref))


def beginning(session: Session, known: Known, prefix: str) -> tuple[str, ...]:
    """Return the built revisions of a service that begin so."""
    query = select(ImageRow.revision).where(
        ImageRow.project_id == known.project_id,
        ImageRow.service == known.service,
        ImageRow.revision.startswith(prefix, autoescape=True),
    )
    # What strangers have built is for their tests only.
    query = query.join(RunRow, RunRow.id == ImageRow.run_id).where(RunRow.trusted)
    return tuple(session.scalars(query.order_by(ImageRow.revision).limit(10)))


def pushes_beginning(session: Session, project_id: int, prefix: str) -> tuple[str, ...]:
    """Return the revisions of a project's runs that begin so."""
    query = select(RunRow.revision).where(
        RunRow.project_id == project_id, RunRow.revision.startswith(prefix, autoescape=True)
    )
    return tuple(session.scalars(query.distinct().order_by(RunRow.revision).limit(10)))


def branches(session: Session, project_id: int, limit: int = 500) -> tuple[str, ...]:
    """Return the branches and tags that were pushed, the newest first."""
    query = select(RunRow.ref).where(RunRow.project_id == project_id).group_by(RunRow.ref)
    refs = session.scalars(query.order_by(func.max(RunRow.id).desc()).limit(limit))
    return tuple(ref.removeprefix(HEADS).removeprefix(TAGS) for ref in refs)


def latest_run(session: Session, project_id: int, revision: str, *, ref: str = "") -> RunRow | None:
    """Return the newest run of a revision, as pushed to a whole ref if one is given."""
    query = select(RunRow).where(RunRow.project_id == project_id, RunRow.revision == revision)
    query = query.where(RunRow.ref == ref) if ref else query
    return session.scalar(query.order_by(RunRow.id.desc()).limit(1))


def tested(session: Session, known: Known, revision: str) -> bool:
    """Tell whether a service's image of a revision has passed all its tests."""
    query = select(ImageRow.tested).where(
        ImageRow.project_id == known.project_id, ImageRow.service == known.service, ImageRow.revision == revision
    )
    return bool(session.scalar(query))


def config(session: Session, project_id: int, revision: str) -> dict[str, Any] | None:
    """Return the configuration that a revision was run with."""
    query = select(RunRow.config).where(RunRow.project_id == project_id, RunRow.revision == revision)
    return _first(session.scalars(query.order_by(RunRow.id.desc()).limit(FURTHEST_BACK)))


def newest_config(session: Session, project_id: int, branch: str) -> dict[str, Any] | None:
    """Return the newest configuration of a branch."""
    query = select(RunRow.config).where(RunRow.project_id == project_id, RunRow.ref == f"{HEADS}{branch}")
    return _first(session.scalars(query.order_by(RunRow.id.desc()).limit(FURTHEST_BACK)))


def deployments_of(session: Session, environment_ids: list[int], limit: int) -> list[tuple[DeploymentRow, str, str]]:
    """Return the newest deployments there, with the names of project and environment."""
    rows = session.execute(
        select(DeploymentRow, ProjectRow.name, EnvironmentRow.name)
        .join(ProjectRow, ProjectRow.id == DeploymentRow.project_id)
        .join(EnvironmentRow, EnvironmentRow.id == DeploymentRow.environment_id)
        .where(DeploymentRow.environment_id.in_(environment_ids))
        .order_by(DeploymentRow.id.desc())
        .limit(limit)
    )
    return [(row, project, environment) for row, project, environment in rows]


def runs_under_way(session: Session, limit: int = 20) -> list[tuple[RunRow, str]]:
    """Return the runs that have not ended, the newest first, with their projects' names."""
    rows = session.execute(
        select(RunRow, ProjectRow.name)
        .join(ProjectRow, ProjectRow.id == RunRow.project_id)
        .where(RunRow.state.in_(("queued", "running", "waiting")))
        .order_by(RunRow.id.desc())
        .limit(limit)
    )
    return [(row, project) for row, project in rows]


def _pushed(project_id: int, ref: str) -> Select[str]:
    return (
        select(RunRow.revision)
        .where(RunRow.project_id == project_id, RunRow.ref == ref)
        .group_by(RunRow.revision)
        .order_by(func.min(RunRow.id).desc())
        .limit(1)
    )


def _first(configs: Iterator[dict[str, Any] | None] | Any) -> dict[str, Any] | None:
    return next((one for one in configs if one), None)
