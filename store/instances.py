"""Instances and routes: the containers that play a deployment, and the names that lead to them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pipeline.deployment import DeploymentState, InstanceState, Release
from store.schema import DeploymentRow, EnvironmentRow, InstanceRow, RouteRow
from store.session import now

PLAYING = (InstanceState.STARTING, InstanceState.LIVE)


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


def ensure_route(session: Session, environment_id: int, service: str) -> int:
    """Return the route of a service in an environment; a new one has no names before the first switch."""
    mine = (RouteRow.environment_id == environment_id) & (RouteRow.service == service)
    row = session.scalar(select(RouteRow).where(mine))
    if row is None:
        row = RouteRow(environment_id=environment_id, service=service, hosts=[])
        session.add(row)
        session.flush()
    return row.id


def lead(session: Session, environment_id: int, hosts: Mapping[str, Iterable[str]]) -> None:
    """Give each service of an environment its names, and take theirs from the routes of services no longer there."""
    for row in session.scalars(select(RouteRow).where(RouteRow.environment_id == environment_id)):
        row.hosts = list(hosts.get(row.service, ()))


def ensure(session: Session, deployment_id: int, route_id: int, release: Release, *, at: datetime) -> Instance:
    """Return the instance of this release in this deployment, so that starting it again is the same container."""
    mine = (InstanceRow.deployment_id == deployment_id) & (InstanceRow.route_id == route_id)
    row = session.scalar(select(InstanceRow).where(mine, InstanceRow.state.in_(PLAYING)))
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


def address(session: Session, instance_id: int) -> str:
    """Return where a container answers."""
    return session.get_one(InstanceRow, instance_id).address


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


def left_over(session: Session, environment_id: int) -> list[Instance]:
    """Return the instances of deployments that ended without ever serving."""
    ended = DeploymentRow.state.not_in([DeploymentState.QUEUED, DeploymentState.RUNNING])
    mine = select(DeploymentRow.id).where(DeploymentRow.environment_id == environment_id, ended)
    starting = InstanceRow.state == InstanceState.STARTING
    return _instances(session, starting, InstanceRow.deployment_id.in_(mine))


def gone(session: Session, instance_ids: list[int]) -> None:
    """Note that these containers are no more."""
    _move(session, instance_ids, InstanceState.GONE)


def everyone(session: Session, *states: InstanceState, environment_id: int | None = None) -> list[Instance]:
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
