"""Projects: who may push here."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pipeline.clone_url import site
from pipeline.errors import Conflict, NotFound
from pipeline.project import Forge, Project, check_name
from store.plain import Plain, Row, from_json, marks
from store.schema import ProjectRow

CURRENT = "SELECT id, name, url, forge, secret, default_branch, rules FROM project WHERE id IN "


def add(session: Session, project: Project, *, at: datetime) -> Project:
    """Register a project and return it with its id. Raises Rejected for a bad name, Conflict for one in use."""
    check_name(project.name)
    if find(session, project.name) is not None:
        raise Conflict(f"there is a project {project.name} already", code="project_exists")
    row = ProjectRow(
        name=project.name,
        url=project.url,
        forge=project.forge,
        secret=project.secret,
        default_branch=project.default_branch,
        created_at=at,
    )
    session.add(row)
    session.flush()
    return _project(row)


def find(session: Session, name: str) -> Project | None:
    """Return the project of that name, if there is one."""
    row = session.scalar(select(ProjectRow).where(ProjectRow.name == name))
    return _project(row) if row else None


def get(session: Session, project_id: int) -> Project:
    """Return a project by its id. Raises NotFound."""
    row = session.get(ProjectRow, project_id)
    if row is None:
        raise NotFound(f"there is no project number {project_id}")
    return _project(row)


def current(session: Session, ids: Collection[int]) -> dict[int, Project]:
    """Return projects as they stand; where processes write side by side, nobody else takes in theirs until the end."""
    plain, numbers = Plain(session), sorted(ids)
    rows = plain.rows(f"{CURRENT}{marks(numbers)} ORDER BY id{plain.lock('NO KEY UPDATE')}", numbers)
    return {row[0]: _from_columns(row) for row in rows}


def everyone(session: Session) -> tuple[Project, ...]:
    """Return all projects by name."""
    return tuple(_project(row) for row in session.scalars(select(ProjectRow).order_by(ProjectRow.name)))


def signers(session: Session) -> list[Row]:
    """Return, of all projects, what decides whose webhook one is: other rows, other signers."""
    return Plain(session).rows("SELECT id, name, url, forge, secret FROM project ORDER BY id")


def neighbours(session: Session, project: Project) -> tuple[int, ...]:
    """Return the other projects at the same host."""
    host = site(project.url).lower()
    rows = session.execute(select(ProjectRow.id, ProjectRow.url).where(ProjectRow.id != project.id))
    return tuple(row.id for row in rows if site(row.url).lower() == host)


def set_secret(session: Session, project_id: int, secret: str) -> None:
    """Have webhooks of a project signed with another secret from now on."""
    session.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(secret=secret))


def set_default_branch(session: Session, project_id: int, branch: str) -> None:
    """Note the default branch that the project's own configuration names."""
    row = session.get(ProjectRow, project_id)
    if row is not None and row.default_branch != branch:
        row.default_branch = branch


def set_rules(session: Session, project_id: int, rules: Mapping[str, Any]) -> None:
    """Note what the default branch says of which pushes start runs, for pushes to come."""
    row = session.get(ProjectRow, project_id)
    if row is not None and row.rules != rules:
        row.rules = dict(rules)


def _project(row: ProjectRow) -> Project:
    return Project(
        id=row.id,
        name=row.name,
        url=row.url,
        forge=Forge(row.forge),
        secret=row.secret,
        default_branch=row.default_branch,
        rules=row.rules,
    )


def _from_columns(row: Row) -> Project:
    number, name, url, forge, secret, branch, rules = row
    return Project(
        id=number,
        name=name,
        url=url,
        forge=Forge(forge),
        secret=secret,
        default_branch=branch,
        rules=from_json(rules),
    )
