"""Deployments: what was asked for, what is live, and the containers and routes that make it so."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from pipeline.deployment import Cause, DeploymentState, Release, replaced
from pipeline.health import HealthCheck
from store import reports
from store.schema import DeploymentRow, EnvironmentRow, ImageRow, ProjectRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """A deployment as it stands."""

    id: int
    project_id: int
    environment_id: int
    run_id: int | None
    stage_id: int | None
    restores_id: int | None
    from_id: int | None
    cause: Cause
    actor: str
    reason: str
    state: DeploymentState
    code: str
    releases: tuple[Release, ...]
    named: frozenset[str] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a deployment is asked to do, by whom and why; `named` as in `DeploymentRow`."""

    project_id: int
    environment_id: int
    releases: tuple[Release, ...]
    cause: Cause
    actor: str
    reason: str = ""
    run_id: int | None = None
    stage_id: int | None = None
    restores_id: int | None = None
    named: frozenset[str] | None = None


def create(session: Session, asked: Asked, *, at: datetime) -> int:
    """Return the id of the deployment that was asked for; a stage that asks again gets the one it has."""
    if asked.stage_id is not None:
        known = session.scalar(select(DeploymentRow.id).where(DeploymentRow.stage_id == asked.stage_id))
        if known is not None:
            return known
    _keep_images(session, asked)
    row = DeploymentRow(
        project_id=asked.project_id,
        environment_id=asked.environment_id,
        run_id=asked.run_id,
        stage_id=asked.stage_id,
        restores_id=asked.restores_id,
        cause=asked.cause,
        actor=asked.actor,
        strategy="rolling",
        releases=[asdict(release) for release in asked.releases],
        named=None if asked.named is None else sorted(asked.named),
        state=DeploymentState.QUEUED,
        reason=asked.reason,
        code="",
        steps=[],
        created_at=at,
    )
    session.add(row)
    session.flush()
    reports.touch_deployment(session, row.id, at=at)
    return row.id


def get(session: Session, deployment_id: int) -> Deployment:
    """Return a deployment by its id."""
    return _deployment(session.get_one(DeploymentRow, deployment_id))


def live(session: Session, environment_id: int) -> Deployment | None:
    """Return the deployment that serves in an environment, if any does."""
    environment = session.get_one(EnvironmentRow, environment_id)
    return get(session, environment.live_deployment_id) if environment.live_deployment_id else None


def before(session: Session, environment_id: int) -> Deployment | None:
    """Return what a rollback goes back to: the newest good deployment of other images, older than what is live.

    A rollback counts as what it restored, so that rolling back twice goes back two steps.
    """
    current = live(session, environment_id)
    if current is None:
        return None
    older = (
        select(DeploymentRow)
        .where(
            DeploymentRow.environment_id == environment_id,
            DeploymentRow.state == DeploymentState.DEPLOYED,
            DeploymentRow.restores_id.is_(None),
            DeploymentRow.id < (current.restores_id or current.id),
        )
        .order_by(DeploymentRow.id.desc())
    )
    good = (_deployment(row) for row in session.scalars(older))
    return next((one for one in good if replaced(one.releases, current.releases)), None)


def earlier(session: Session, deployment: Deployment) -> int | None:
    """Return the oldest deployment to the same environment that was asked for before this one and has not ended."""
    waiting = [DeploymentState.QUEUED, DeploymentState.RUNNING]
    return session.scalar(
        select(DeploymentRow.id)
        .where(
            DeploymentRow.environment_id == deployment.environment_id,
            DeploymentRow.id < deployment.id,
            DeploymentRow.state.in_(waiting),
        )
        .order_by(DeploymentRow.id)
        .limit(1)
    )


def rebase(session: Session, deployment: Deployment) -> Deployment:
    """Return the deployment with the services it does not name as they are live now."""
    current = live(session, deployment.environment_id)
    if deployment.named is None or current is None:
        return deployment
    changed = [one for one in deployment.releases if one.service in deployment.named]
    moved = any(one.main for one in changed)
    kept = [
        replace(one, main=one.main and not moved) for one in current.releases if one.service not in deployment.named
    ]
    row = session.get_one(DeploymentRow, deployment.id)
    row.releases = [asdict(release) for release in sorted([*kept, *changed], key=attrgetter("service"))]
    return _deployment(row)


def step(session: Session, deployment_id: int, name: str, sentence: str, *, at: datetime) -> None:
    """Note a step of a deployment for the people who watch; the same step again replaces its words."""
    row = session.get_one(DeploymentRow, deployment_id)
    row.state = DeploymentState.RUNNING
    kept = [one for one in row.steps if one["name"] != name]
    row.steps = [*kept, {"name": name, "detail": sentence, "at": at.isoformat()}]
    reports.touch_deployment(session, deployment_id, at=at)


def end(
    session: Session, deployment_id: int, state: DeploymentState, *, reason: str = "", code: str = "", at: datetime
) -> None:
    """Record how a deployment ended."""
    row = session.get_one(DeploymentRow, deployment_id)
    row.state, row.finished_at, row.code = state, at, code
    row.reason = reason or row.reason
    reports.touch_deployment(session, deployment_id, at=at)


def end_of_stage(
    session: Session, stage_id: int, state: DeploymentState, *, reason: str, code: str, at: datetime
) -> None:
    """End the deployment a stage was carrying out, if it was and has not ended."""
    row = session.scalar(select(DeploymentRow).where(DeploymentRow.stage_id == stage_id))
    if row is not None and not DeploymentState(row.state).ended:
        end(session, row.id, state, reason=reason, code=code, at=at)


def place(session: Session, environment_id: int) -> tuple[str, str]:
    """Return the names of an environment's project and of the environment."""
    row = session.execute(
        select(ProjectRow.name, EnvironmentRow.name)
        .join(EnvironmentRow, EnvironmentRow.project_id == ProjectRow.id)
        .where(EnvironmentRow.id == environment_id)
    ).one()
    return row[0], row[1]


def _keep_images(session: Session, asked: Asked) -> None:
    """Hold the images until the deployment is there to say that it needs them: nobody removes them in between."""
    digests = [release.image.partition("@")[2] for release in asked.releases]
    mine = (ImageRow.project_id == asked.project_id) & or_(
        ImageRow.digest.in_(digests), ImageRow.release_digest.in_(digests)
    )
    session.execute(select(ImageRow.id).where(mine).order_by(ImageRow.id).with_for_update(read=True)).all()


def _deployment(row: DeploymentRow) -> Deployment:
    return Deployment(
        id=row.id,
        project_id=row.project_id,
        environment_id=row.environment_id,
        run_id=row.run_id,
        stage_id=row.stage_id,
        restores_id=row.restores_id,
        from_id=row.from_id,
        cause=Cause(row.cause),
        actor=row.actor,
        reason=row.reason,
        state=DeploymentState(row.state),
        code=row.code,
        releases=tuple(_release(release) for release in row.releases),
        named=None if row.named is None else frozenset(row.named),
    )


def _release(saved: dict[str, Any]) -> Release:
    command = saved.get("command")
    values = {"health": HealthCheck(**saved["health"]), "command": None if command is None else tuple(command)}
    return Release(**{**saved, **values})
