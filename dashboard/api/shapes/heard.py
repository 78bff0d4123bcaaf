"""Projects, what their forges told, and what was said in chat."""

from typing import Any, Literal

from pydantic import Field

from dashboard.api.shapes.part import Address, Number, RunId, Shape, Time


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
