"""What a slipway.yml says of one stage: what it does, with what beside it, where it applies."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from pipeline.spec_part import Part, or_one
from pipeline.spec_types import (
    Command,
    Count,
    Flag,
    Network,
    Path,
    Retries,
    Some,
    Text,
    Texts,
    Time,
    Variables,
    is_null,
)
from pipeline.spec_values import Events, Files, Lane, OneOrMore, Secrets
from pipeline.stage import Kind


class Restore(Part):
    """What fills a backing service before the test: a command in it, which reads the file of the repository, if any."""

    service: Text = Field(alias="into")
    file: Path | None = None
    run: Command


class Reports(Part):
    """Files that a stage leaves behind, as patterns of absolute paths in its container."""

    junit: Files = ()
    coverage: Files = ()
    files: Files = ()


class Test(Part):
    """A command that runs inside a service's image, `backing` services beside it, or against an environment.

    `run` may be left out where the service is made for it: its own command, or its image's, is run then.
    """

    service: Text = Field(alias="in")
    run: Command | None = None
    env: Variables = Field(default_factory=dict)
    network: Network = "private"
    backing: Texts = Field(default=(), alias="with")
    secrets: Secrets = ()
    restore: Annotated[tuple[Restore, ...], OneOrMore] = Field(default=(), json_schema_extra=or_one)
    shards: Count = 1
    reports: Reports = Reports()
    against: Text = ""


class Task(Part):
    """A command in an image that need not be the project's own: scan, notify, generate."""

    image: Text = ""
    service: Text = Field(default="", alias="in")
    run: Command
    env: Variables = Field(default_factory=dict)
    network: Network = "private"
    backing: Texts = Field(default=(), alias="with")
    secrets: Secrets = ()
    reports: Reports = Reports()


class Deploy(Part):
    """Services that go to an environment; `deploy: staging` is short for `deploy: {to: staging}`."""

    model_config = ConfigDict(json_schema_extra={"type": ["object", "string"], "patternProperties": {"^x-": {}}})

    to: Text
    services: Some = "all"

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"to": value} if isinstance(value, str) and not is_null(value) else value


class When(Part):
    """Where a stage applies: branches and tags by name, `*` for any part without `/`, `**` for anything; events.

    Without `tags`, a stage with `branches` does not apply to tags.
    """

    branches: Texts | None = None
    tags: Texts | None = None
    events: Events | None = None


class Stage(Part):
    """One box of the graph: exactly one of build, test, deploy and task.

    Failures of the project's code are forgiven `retry` times; with `allow_failure` the run goes on without the stage.
    Of all stages of the project with the same `concurrency` one is at work at a time.
    """

    title: Text = ""
    build: Some = None
    test: Test | None = None
    deploy: Deploy | None = None
    task: Task | None = None
    retry: Retries = 0
    allow_failure: Flag = False
    concurrency: Lane = ""
    timeout: Time | None = None
    silence: Time | None = None
    when: When | None = None
    needs: Texts = ()

    @property
    def kind(self) -> Kind:
        """What the stage does."""
        if self.build is not None:
            return Kind.BUILD
        if self.test is not None:
            return Kind.TEST
        return Kind.TASK if self.task is not None else Kind.DEPLOY
