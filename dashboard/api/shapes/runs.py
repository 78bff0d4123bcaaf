"""Runs, their stages and images, and what was started."""

from typing import Any

from pydantic import Field

from dashboard.api.shapes.part import Address, DeploymentId, Number, RunId, Shape, Time
from pipeline.outcome import State


class Stage(Shape):
    """One box of a run's graph."""

    name: str
    title: str
    kind: str
    state: State
    attempt: int
    tries: int = Field(description="how often the project's code failed in it")
    retries: int = Field(description="how many failures are forgiven")
    flaky: bool = Field(description="it passed by its own `retry`, after its code had failed")
    allow_failure: bool = Field(description="the run goes on, and may pass, without it")
    concurrency: str | None = Field(description="of all stages of the project that say this, one is at work at a time")
    needs: list[str]
    started_at: Time | None
    finished_at: Time | None
    expected_seconds: float | None = Field(description="of one that is not over: the median of its last twenty passes")
    progress: str = Field(description="how far it has come, such as `step 3 of 7`, while it runs")
    reason: str
    code: str
    tail: list[str] = Field(description="the last lines of what broke it")
    log_url: Address


class Image(Shape):
    """The image of a service's commit."""

    service: str
    tag: str
    digest: str
    release_digest: str | None = Field(description="of the stripped image, tagged REVISION-release")
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
    reason: str = Field(description="why it ended so, or waits; not why somebody asked for it")
    code: str
    cancel_requested: bool
    superseded_by: RunId | None
    flaky: bool = Field(description="a stage passed only when it was tried again")
    wanted: list[str] | None = Field(description="the stages that were asked for; null is all")
    pull_request: int | None
    trusted: bool = Field(description="false for a stranger's pull request: it gets no secrets, and must be approved")
    approved_by: str | None
    asked_by: str | None = Field(description="who asked for it last, if anybody did: by hand, or to try it again")
    asked_reason: str = Field(description="why, as they said it; a schedule says which it is")
    build_number: int | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    earlier_seconds: float = Field(description="it took so long before it was tried again by hand: add them")
    url: Address
    links: dict[str, Address] = Field(description="what the project's slipway.yml calls so")
    stages: list[Stage]
    images: list[Image]
    deployments: list[DeploymentId]


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
