"""Environments: what is live where, who is at work there, and whether automatic deployments are off."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from pipeline.errors import Busy
from store.jobs import Claim
from store.schema import EnvironmentRow, JobRow
from store.session import now


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A project's place in an environment."""

    id: int
    project_id: int
    name: str
    live_deployment_id: int | None
    pinned_by: str
    pin_reason: str

    @property
    def pinned(self) -> bool:
        """Tell whether automatic deployments are off."""
        return bool(self.pinned_by)


def ensure(session: Session, project_id: int, name: str, *, at: datetime) -> Environment:
    """Return a project's environment, making it if this is the first time it is named."""
    row = _find(session, project_id, name)
    if row is None:
        position = session.scalar(select(func.count()).where(EnvironmentRow.project_id == project_id)) or 0
        row = EnvironmentRow(project_id=project_id, name=name, position=position, created_at=at)
        session.add(row)
        session.flush()
    return _environment(row)


def find(session: Session, project_id: int, name: str) -> Environment | None:
    """Return a project's environment if it is known."""
    row = _find(session, project_id, name)
    return _environment(row) if row else None


def get(session: Session, environment_id: int) -> Environment:
    """Return an environment by its id."""
    return _environment(session.get_one(EnvironmentRow, environment_id))


def everyone(session: Session, project_id: int | None = None) -> tuple[Environment, ...]:
    """Return all environments, or those of one project, in the order they were first named."""
    query = select(EnvironmentRow).order_by(EnvironmentRow.project_id, EnvironmentRow.position)
    if project_id is not None:
        query = query.where(EnvironmentRow.project_id == project_id)
    return tuple(_environment(row) for row in session.scalars(query))


def hold(session: Session, environment_id: int, claim: Claim) -> None:
    """Take the environment for this job; free again when the job ends or its worker dies. Raises Busy."""
    alive = select(JobRow.id).where(
        JobRow.id == EnvironmentRow.holder_job_id, JobRow.state == "running", JobRow.lease_until >= now()
    )
    free = or_(EnvironmentRow.holder_job_id.is_(None), EnvironmentRow.holder_job_id == claim.id, ~alive.exists())
    taken = session.execute(
        update(EnvironmentRow)
        .where(EnvironmentRow.id == environment_id, free)
        .values(holder_job_id=claim.id)
        .returning(EnvironmentRow.id)
    ).one_or_none()
    if taken is None:
        raise Busy("another deployment is under way in this environment")


def held(session: Session, environment_id: int) -> bool:
    """Tell whether a living worker is at work in an environment."""
    alive = (JobRow.state == "running") & (JobRow.lease_until >= now())
    query = select(JobRow.id).join(EnvironmentRow, EnvironmentRow.holder_job_id == JobRow.id)
    return session.scalar(query.where(EnvironmentRow.id == environment_id, alive)) is not None


def release(session: Session, environment_id: int, claim: Claim) -> None:
    """Let go of the environment if this job holds it."""
    mine = (EnvironmentRow.id == environment_id) & (EnvironmentRow.holder_job_id == claim.id)
    session.execute(update(EnvironmentRow).where(mine).values(holder_job_id=None))


def pin(session: Session, environment_id: int, *, by: str, reason: str) -> None:
    """Turn automatic deployments off until somebody resumes them."""
    row = session.get_one(EnvironmentRow, environment_id)
    row.pinned_by, row.pin_reason = by, reason


def resume(session: Session, environment_id: int) -> None:
    """Turn automatic deployments on again."""
    row = session.get_one(EnvironmentRow, environment_id)
    row.pinned_by = row.pin_reason = ""


def _find(session: Session, project_id: int, name: str) -> EnvironmentRow | None:
    return session.scalar(
        select(EnvironmentRow).where(EnvironmentRow.project_id == project_id, EnvironmentRow.name == name)
    )


def _environment(row: EnvironmentRow) -> Environment:
    return Environment(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        live_deployment_id=row.live_deployment_id,
        pinned_by=row.pinned_by,
        pin_reason=row.pin_reason,
    )
