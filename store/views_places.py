"""What runs where, and how it came there: environments, the matrix, deployments, as plain dictionaries."""

from collections import Counter
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from pipeline.deployment import InstanceState
from store.links import Links
from store.schema import DeploymentRow, EnvironmentRow, InstanceRow, ProjectRow, RouteRow
from store.views import NEWEST, Page, View, below, listed, when

IN_FLIGHT = ("queued", "running")


def environments(session: Session) -> View:
    """Return every project's environments in their order."""
    query = (
        select(EnvironmentRow, ProjectRow.name)
        .join(ProjectRow, ProjectRow.id == EnvironmentRow.project_id)
        .order_by(EnvironmentRow.position, EnvironmentRow.id)
    )
    items = [_environment(row, project) for row, project in session.execute(query)]
    return {"items": items, "next": None}


def matrix(session: Session, links: Links) -> View:
    """Return services × environments: what is live in each, or on its way there for the first time."""
    places = session.execute(
        select(EnvironmentRow, ProjectRow.name)
        .join(ProjectRow, ProjectRow.id == EnvironmentRow.project_id)
        .order_by(EnvironmentRow.position, EnvironmentRow.id)
    ).all()
    cells = [cell for place, project in places for cell in _cells(session, links, place, project)]
    owners = {(cell["service"], cell["project"]) for cell in cells}
    shared = {service for service, times in Counter(service for service, _ in owners).items() if times > 1}
    for cell in cells:
        if cell["service"] in shared:
            cell["service"] = f"{cell['project']}/{cell['service']}"
    return {
        "environments": list(dict.fromkeys(place.name for place, _ in places)),
        "services": sorted({cell["service"] for cell in cells}),
        "cells": cells,
    }


def deployments(session: Session, links: Links, *, environment: str | None = None, page: Page = NEWEST) -> View:
    """Return deployments, newest first."""
    query = _deployments().where(below(DeploymentRow.id, page)).order_by(DeploymentRow.id.desc())
    if environment:
        query = query.where(EnvironmentRow.name == environment)
    rows = session.execute(query.limit(page.limit + 1)).all()
    return listed([_deployment(row, project, place, links) for row, project, place in rows], page)


def deployment(session: Session, links: Links, deployment_id: int) -> View | None:
    """Return a deployment, if there is one of that number, with its instances."""
    found = session.execute(_deployments().where(DeploymentRow.id == deployment_id)).one_or_none()
    if found is None:
        return None
    row, project, place = found
    instances = session.scalars(
        select(InstanceRow).where(InstanceRow.deployment_id == deployment_id).order_by(InstanceRow.id)
    )
    hosts = {route.service: route.hosts for route in _routes(session, row.environment_id)}
    return _deployment(row, project, place, links) | {
        "instances": [{"service": one.service, "name": f"i{one.id}", "state": one.state} for one in instances],
        "urls": {service: [links.service(host) for host in names] for service, names in hosts.items()},
    }


def _cells(session: Session, links: Links, place: EnvironmentRow, project: str) -> list[View]:
    live = session.get(DeploymentRow, place.live_deployment_id) if place.live_deployment_id else None
    coming = session.scalar(
        select(DeploymentRow)
        .where(DeploymentRow.environment_id == place.id, DeploymentRow.state.in_(IN_FLIGHT))
        .order_by(DeploymentRow.id.desc())
        .limit(1)
    )
    shown = live or coming
    if shown is None:
        return []
    hosts = {route.service: route.hosts for route in _routes(session, place.id)}
    states = _states(session, shown.id)
    return [
        {
            "environment": place.name,
            "project": project,
            "service": release["service"],
            "revision": release["revision"],
            "image": release["image"],
            "state": _state(states[release["service"]], live=live is not None, coming=coming is not None),
            "replicas": sum(states[release["service"]].values()),
            "healthy": states[release["service"]][InstanceState.LIVE],
            "since": when(shown.finished_at or shown.created_at),
            "by": shown.actor,
            "cause": shown.cause,
            "deployment": f"d{shown.id}",
            "coming": f"d{coming.id}" if coming else None,
            "urls": [links.service(host) for host in hosts.get(release["service"], [])],
        }
        for release in shown.releases
    ]


def _state(states: "Counter[str]", *, live: bool, coming: bool) -> str:
    if coming:
        return "deploying"
    if live and states[InstanceState.LIVE] and not states[InstanceState.STARTING]:
        return "live"
    return "degraded" if states[InstanceState.LIVE] else "down"


def _states(session: Session, deployment_id: int) -> dict[str, "Counter[str]"]:
    counted: dict[str, Counter[str]] = {}
    rows = session.scalars(select(InstanceRow).where(InstanceRow.deployment_id == deployment_id))
    for row in rows:
        if row.state in {InstanceState.STARTING, InstanceState.LIVE}:
            counted.setdefault(row.service, Counter())[row.state] += 1
    return _Defaulting(counted)


class _Defaulting(dict[str, "Counter[str]"]):
    def __missing__(self, _key: str) -> "Counter[str]":
        return Counter()


def _routes(session: Session, environment_id: int) -> list[RouteRow]:
    return list(session.scalars(select(RouteRow).where(RouteRow.environment_id == environment_id)))


def _environment(row: EnvironmentRow, project: str) -> View:
    pin = {"by": row.pinned_by, "reason": row.pin_reason} if row.pinned_by else None
    live = f"d{row.live_deployment_id}" if row.live_deployment_id else None
    return {"name": row.name, "project": project, "live": live, "pin": pin, "created_at": when(row.created_at)}


def _deployments() -> Select[DeploymentRow, str, str]:
    return (
        select(DeploymentRow, ProjectRow.name, EnvironmentRow.name)
        .join(ProjectRow, ProjectRow.id == DeploymentRow.project_id)
        .join(EnvironmentRow, EnvironmentRow.id == DeploymentRow.environment_id)
    )


def _deployment(row: DeploymentRow, project: str, environment: str, links: Links) -> View:
    return {
        "id": f"d{row.id}",
        "project": project,
        "environment": environment,
        "strategy": row.strategy,
        "state": row.state,
        "cause": row.cause,
        "actor": row.actor,
        "reason": row.reason,
        "code": row.code,
        "run": f"r{row.run_id}" if row.run_id else None,
        "from": f"d{row.from_id}" if row.from_id else None,
        "restores": f"d{row.restores_id}" if row.restores_id else None,
        "from_set": None,
        "to_set": None,
        "services": [_service(release) for release in row.releases],
        "steps": row.steps,
        "created_at": when(row.created_at),
        "finished_at": when(row.finished_at),
        "url": links.deployment(row.id),
    }


def _service(release: dict[str, Any]) -> View:
    return {key: release[key] for key in ("service", "revision", "image")}
