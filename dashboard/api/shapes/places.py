"""What runs where, and how it came there."""

from typing import Literal

from pydantic import Field

from dashboard.api.shapes.part import Address, DeploymentId, RunId, Shape, Time
from pipeline.deployment import Cause, DeploymentState, InstanceState


class Service(Shape):
    """What a deployment deploys of one service."""

    service: str
    revision: str
    image: str = Field(description="by digest")


class Step(Shape):
    """A step of a deployment that was made."""

    name: str
    detail: str
    at: str


class Deployment(Shape):
    """One move of an environment from one set of images to another."""

    id: DeploymentId
    project: str
    environment: str
    strategy: str
    state: DeploymentState
    cause: Cause
    actor: str
    reason: str
    code: str
    run: RunId | None
    from_: DeploymentId | None = Field(alias="from", description="what it took the place of")
    restores: DeploymentId | None = Field(description="what a rollback brought back")
    from_set: str | None
    to_set: str | None
    services: list[Service]
    steps: list[Step]
    created_at: Time
    finished_at: Time | None
    url: Address


class Instance(Shape):
    """A container of a deployment."""

    service: str
    name: str
    state: InstanceState


class WholeDeployment(Deployment):
    """A deployment with its containers, and the addresses of its services."""

    instances: list[Instance]
    urls: dict[str, list[Address]]


class Cell(Shape):
    """A service in an environment. `coming` is a deployment under way; `degraded`: not every container is healthy."""

    environment: str
    project: str
    service: str
    revision: str
    image: str
    state: Literal["live", "deploying", "degraded", "down"]
    replicas: int
    healthy: int
    since: Time
    by: str
    cause: Cause
    deployment: DeploymentId
    coming: DeploymentId | None
    urls: list[Address]


class Matrix(Shape):
    """What runs where. A service is written `project/service` where two projects have one of that name."""

    environments: list[str]
    services: list[str]
    cells: list[Cell]


class Pin(Shape):
    """Who stopped automatic deployments, and why."""

    by: str
    reason: str


class Environment(Shape):
    """A project's place in an environment."""

    name: str
    project: str
    live: DeploymentId | None
    pin: Pin | None
    created_at: Time
