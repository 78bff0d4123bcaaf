"""Deployments: what was asked for, what is live, and the containers and routes that make it so."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pipeline.deployment import Cause, DeploymentState, InstanceState, Release, replaced
from pipeline.health import HealthCheck
from store.schema import DeploymentRow, EnvironmentRow, InstanceRow, RouteRow
from store.session import now


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
    releases: tuple[Release, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """A container of a deployment, as SQL knows it."""

    id: int
    deployment_id: int
    environment_id: int
    route_id: int
    service: str
    address: str
    port: int
    state: InstanceState
    overdue: bool = False

    @property
    def server(self) -> str:
        """Its name in the proxy."""
        return f"i{self.id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a deployment is asked to do, by whom and why."""

    project_id: int
    environment_id: int
    releases: tuple[Release, ...]
    cause: Cause
    actor: str
    reason: str = ""
    run_id: int | None = None
    stage_id: int | None = None
    restores_id: int | None = None


def create(session: Session, asked: Asked, *, at: datetime) -> int:
    """Return the id of the deployment that was asked for; a stage that asks again gets the one it has."""
    if asked.stage_id is not None:
        known = session.scalar(select(DeploymentRow.id).where(DeploymentRow.stage_id == asked.stage_id))
        if known is not None:
            return known
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
        state=DeploymentState.QUEUED,
        reason=asked.reason,
        code="",
        steps=[],
        created_at=at,
    )
    session.add(row)
    session.flush()
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


def step(session: Session, deployment_id: int, name: str, sentence: str, *, at: datetime) -> None:
    """Note a step of a deployment for the people who watch; the same step again replaces its words."""
    row = session.get_one(DeploymentRow, deployment_id)
    row.state = DeploymentState.RUNNING
    kept = [one for one in row.steps if one["name"] != name]
    row.steps = [*kept, {"name": name, "detail": sentence, "at": at.isoformat()}]


def end(
    session: Session, deployment_id: int, state: DeploymentState, *, reason: str = "", code: str = "", at: datetime
) -> None:
    """Record how a deployment ended."""
    row = session.get_one(DeploymentRow, deployment_id)
    row.state, row.finished_at, row.code = state, at, code
    row.reason = reason or row.reason


def ensure_route(session: Session, environment_id: int, service: str, hosts: Iterable[str]) -> int:
    """Return the route of a service in an environment, with these names from now on."""
    mine = (RouteRow.environment_id == environment_id) & (RouteRow.service == service)
    row = session.scalar(select(RouteRow).where(mine))
    if row is None:
        row = RouteRow(environment_id=environment_id, service=service, hosts=[])
        session.add(row)
    row.hosts = list(hosts)
    session.flush()
    return row.id


def ensure_instance(session: Session, deployment_id: int, route_id: int, release: Release, *, at: datetime) -> Instance:
    """Return the instance of this release in this deployment, so that starting it again is the same container."""
    mine = (InstanceRow.deployment_id == deployment_id) & (InstanceRow.route_id == route_id)
    row = session.scalar(select(InstanceRow).where(mine, InstanceRow.state != InstanceState.GONE))
    if row is None:
        row = InstanceRow(
            deployment_id=deployment_id,
            route_id=route_id,
            service=release.service,
            address="",
            port=release.port,
            state=InstanceState.STARTING,
            created_at=at,
        )
        session.add(row)
        session.flush()
    return _instances(session, InstanceRow.id == row.id)[0]


def set_address(session: Session, instance_id: int, address: str) -> None:
    """Note where a container answers."""
    session.get_one(InstanceRow, instance_id).address = address


def switch(session: Session, deployment_id: int, drains: dict[str, float]) -> None:
    """Make this deployment's healthy instances the live ones; those they replace drain for so many seconds."""
    deployment = session.get_one(DeploymentRow, deployment_id)
    environment = session.get_one(EnvironmentRow, deployment.environment_id)
    new = _instances(session, InstanceRow.deployment_id == deployment_id, InstanceRow.state == InstanceState.STARTING)
    in_environment = RouteRow.environment_id == environment.id
    for old in _instances(session, in_environment, InstanceRow.state == InstanceState.LIVE):
        if old.deployment_id != deployment_id:
            _drain(session, old.id, drains.get(old.service, 10.0))
    _move(session, [one.id for one in new], InstanceState.LIVE)
    if environment.live_deployment_id != deployment_id:
        deployment.from_id = environment.live_deployment_id
    environment.live_deployment_id = deployment_id


def abandon(session: Session, deployment_id: int) -> list[Instance]:
    """Return the instances of a deployment that never served; they are to be removed."""
    return _instances(session, InstanceRow.deployment_id == deployment_id, InstanceRow.state == InstanceState.STARTING)


def gone(session: Session, instance_ids: list[int]) -> None:
    """Note that these containers are no more."""
    _move(session, instance_ids, InstanceState.GONE)


def instances(session: Session, *states: InstanceState, environment_id: int | None = None) -> list[Instance]:
    """Return the instances in these states, everywhere or in one environment."""
    wanted: list[Any] = [InstanceRow.state.in_(states)]
    if environment_id is not None:
        wanted.append(RouteRow.environment_id == environment_id)
    return _instances(session, *wanted)


def routes(session: Session) -> list[tuple[int, int, list[str]]]:
    """Return every route: its id, its environment and the names that lead to it."""
    rows = session.execute(select(RouteRow.id, RouteRow.environment_id, RouteRow.hosts).order_by(RouteRow.id))
    return [(row.id, row.environment_id, row.hosts) for row in rows]


def _drain(session: Session, instance_id: int, seconds: float) -> None:
    session.execute(
        update(InstanceRow)
        .where(InstanceRow.id == instance_id)
        .values(state=InstanceState.DRAINING, drain_until=now() + seconds)
    )


def _move(session: Session, instance_ids: list[int], state: InstanceState) -> None:
    session.execute(update(InstanceRow).where(InstanceRow.id.in_(instance_ids)).values(state=state))


def _instances(session: Session, *wanted: Any) -> list[Instance]:
    rows = session.execute(
        select(InstanceRow, RouteRow.environment_id, InstanceRow.drain_until < now())
        .join(RouteRow, RouteRow.id == InstanceRow.route_id)
        .where(*wanted)
        .order_by(InstanceRow.id)
    )
    return [_instance(row, environment_id, bool(overdue)) for row, environment_id, overdue in rows]


def _instance(row: InstanceRow, environment_id: int, overdue: bool) -> Instance:
    return Instance(
        id=row.id,
        deployment_id=row.deployment_id,
        environment_id=environment_id,
        route_id=row.route_id,
        service=row.service,
        address=row.address,
        port=row.port,
        state=InstanceState(row.state),
        overdue=overdue,
    )


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
        releases=tuple(_release(release) for release in row.releases),
    )


def _release(saved: dict[str, Any]) -> Release:
    return Release(**{**saved, "health": HealthCheck(**saved["health"])})
