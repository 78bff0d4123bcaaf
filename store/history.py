"""What ran before: the deployments of an environment that are under way, and those that can be gone back to."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.deployment import DeploymentState
from store import deployments
from store.deployments import Deployment
from store.schema import DeploymentRow

UNDER_WAY = (DeploymentState.QUEUED, DeploymentState.RUNNING)


def under_way(session: Session, environment_id: int) -> tuple[Deployment, ...]:
    """Return the deployments of an environment that have not ended, the oldest first."""
    query = select(DeploymentRow.id).where(
        DeploymentRow.environment_id == environment_id, DeploymentRow.state.in_(UNDER_WAY)
    )
    return tuple(deployments.get(session, one) for one in session.scalars(query.order_by(DeploymentRow.id)).all())


def good(session: Session, environment_id: int, *, older_than: int | None = None) -> Iterator[Deployment]:
    """Yield what has served in an environment, the newest first; a rollback is not there twice."""
    query = select(DeploymentRow.id).where(
        DeploymentRow.environment_id == environment_id,
        DeploymentRow.state == DeploymentState.DEPLOYED,
        DeploymentRow.restores_id.is_(None),
    )
    if older_than is not None:
        query = query.where(DeploymentRow.id < older_than)
    for one in session.scalars(query.order_by(DeploymentRow.id.desc())).all():
        yield deployments.get(session, one)
