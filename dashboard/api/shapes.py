"""What the API answers: each shape as a model, from which its description is made."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from pipeline.deployment import Cause, DeploymentState, InstanceState
from pipeline.outcome import State

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Address = Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]
RunId = Annotated[str, Field(pattern=r"^r[0-9]+$", examples=["r87"])]
DeploymentId = Annotated[str, Field(pattern=r"^d[0-9]+$", examples=["d142"])]
Number = Annotated[str, Field(pattern=r"^[0-9]+$", examples=["12"])]


class Shape(BaseModel):
    """A JSON object that always has all of its fields, and no other."""

    model_config = ConfigDict(extra="forbid")


class Problem(Shape):
    """An error (RFC 9457). `code` is stable, `detail` says what is wrong, `fix` what to do about it."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    fix: str


class Stage(Shape):
    """One box of a run's graph."""

    name: str
    title: str
    kind: str
    state: State
    attempt: int
    tries: int = Field(description="how often the project's code failed in it")
    retries: int = Field(description="how many failures are forgiven")
    flaky: bool = Field(description="it passed, after it had failed on the same commit")
    allow_failure: bool = Field(description="the run goes on, and may pass, without it")
    concurrency: str | None = Field(description="of all stages of the project that say this, one is at work at a time")
    needs: list[str]
    started_at: Time | None
    finished_at: Time | None
    reason: str
    code: str
    tail: list[str] = Field(description="the last lines of what broke it")
    log_url: Address


class Image(Shape):
    """The image of a service's commit."""

    service: str
    tag: str
    digest: str
    size: int = Field(description="bytes")
    builder: str
    built_from: str = Field(description="the commit it was built from: an earlier one if it had not changed since")
    tested: bool


class Run(Shape):
    """One push through the stages. *failed* is the project's code, *error* is Slipway or a part of it."""

    id: RunId
    project: str
    ref: str
    branch: str | None
    tag: str | None
    revision: str
    message: str
    author: str
    trigger: str
    delivery: Number | None = Field(description="what told of it")
    state: State
    reason: str
    code: str
    cancel_requested: bool
    superseded_by: RunId | None
    flaky: bool = Field(description="a stage passed only when it was tried again")
    wanted: list[str] | None = Field(description="the stages that were asked for; null is all")
    pull_request: int | None
    trusted: bool = Field(description="false for a stranger's pull request: it gets no secrets, and must be approved")
    approved_by: str | None
    build_number: int | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    url: Address
    stages: list[Stage]
    images: list[Image]
    deployments: list[DeploymentId]


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


class Delivery(Shape):
    """A webhook, or a push that was found by looking, and what became of it."""

    id: Number
    project: str | None
    forge: str
    event: str
    key: str = Field(description="what its sender calls it")
    source: Literal["hook", "sweep", "redelivery"]
    verdict: Literal["accepted", "ignored", "duplicate", "refused"]
    code: str
    detail: str
    runs: list[RunId]
    received_at: Time


class WholeDelivery(Delivery):
    """A delivery with the headers that were kept, none of them a proof of who sent it, and its body's beginning."""

    headers: dict[str, str]
    body: str
    body_size: int = Field(description="bytes that were kept")
    body_cut: bool


class LastDelivery(Shape):
    """A project's newest delivery."""

    id: Number
    code: str
    detail: str
    source: str
    received_at: Time


class Account(Shape):
    """Who answers for a project at its forge; `fault` is why the forge no longer takes it."""

    api_url: Address
    repository: str
    broken: bool
    fault: str
    told_at: Time | None


class Project(Shape):
    """One repository. `recovered` counts pushes whose webhook never came, found by looking."""

    name: str
    forge: str
    default_branch: str
    hook_url: Address
    last_delivery: LastDelivery | None
    swept_at: Time | None
    recovered: int
    account: Account | None
    created_at: Time


class Message(Shape):
    """What the recorder kept in place of Slack."""

    id: Number
    channel: str
    ts: str
    thread_ts: str | None
    text: str
    blocks: list[dict[str, Any]] = Field(description="Slack's blocks")
    edits: int
    created_at: Time
    updated_at: Time


class Started(Shape):
    """What was started, or why nothing was."""

    detail: str
    code: str
    runs: list[RunId]
    deployments: list[DeploymentId]


class Spoken(Shape):
    """What a line was understood as, and the reply; `code` says why nothing was done."""

    intent: dict[str, Any] | None
    reply: str
    code: str
    everyone: bool
    deployments: list[DeploymentId]
    runs: list[RunId]


class Taken(Shape):
    """What became of a webhook."""

    delivery: Number
    runs: list[RunId]
    code: str
    detail: str


class Verified(Shape):
    """Whether a secret signed a delivery."""

    holds: bool
    detail: str


class Up(Shape):
    """The process is up."""

    status: str


class Ready(Shape):
    """Every part with a word."""

    status: str
    parts: dict[str, Literal["up", "down"]]
