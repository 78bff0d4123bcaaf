"""Projects: who may push here."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.errors import Conflict, NotFound
from pipeline.project import Forge, Project, check_name
from store.schema import ProjectRow


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


def everyone(session: Session) -> tuple[Project, ...]:
    """Return all projects by name."""
    return tuple(_project(row) for row in session.scalars(select(ProjectRow).order_by(ProjectRow.name)))


def set_default_branch(session: Session, project_id: int, branch: str) -> None:
    """Note the default branch that the project's own configuration names."""
    row = session.get(ProjectRow, project_id)
    if row is not None and row.default_branch != branch:
        row.default_branch = branch


def _project(row: ProjectRow) -> Project:
    return Project(
        id=row.id,
        name=row.name,
        url=row.url,
        forge=Forge(row.forge),
        secret=row.secret,
        default_branch=row.default_branch,
    )
