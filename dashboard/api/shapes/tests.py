"""Tests, and what stages left behind."""

from typing import Literal

from pydantic import Field

from dashboard.api.shapes.part import Address, Number, RunId, Shape, Time

Verdict = Literal["passed", "failed", "error", "skipped"]


class TestResult(Shape):
    """How a test ended in the last attempt of its stage. A failing one that is not `new` failed before as well."""

    id: Number
    stage: str
    suite: str
    name: str
    state: Verdict
    seconds: float
    flaky: bool = Field(description="on the same commit, in the same image, it failed and passed")
    new: bool = Field(description="it did not fail in the run before, nor on the default branch")
    attempt: int
    shard: int
    message: str
    log_url: Address


class Test(Shape):
    """A test over its project's newest fifty runs that had tests; `state` is how it ended last."""

    id: Number = Field(description="of its newest result")
    project: str
    stage: str
    suite: str
    name: str
    state: Verdict
    seconds: float = Field(description="on average")
    runs: int
    failed: int = Field(description="times")
    flaky: int = Field(description="times")


class Occasion(Shape):
    """How a test ended once."""

    run: RunId
    url: Address
    ref: str
    branch: str | None
    revision: str
    attempt: int
    state: Verdict
    seconds: float
    flaky: bool
    message: str
    at: Time


class TestHistory(Shape):
    """A test with its last fifty times, the newest first."""

    id: Number
    project: str
    stage: str
    suite: str
    name: str
    times: list[Occasion]


class Artifact(Shape):
    """A file that a stage left behind."""

    stage: str
    path: str
    size: int = Field(description="bytes")
    digest: str = Field(description="SHA-256")
    created_at: Time
    url: Address
