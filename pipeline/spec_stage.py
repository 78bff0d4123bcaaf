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

    service: Text = Field(
        alias="into", description="The backing service whose container the command runs in; one that `with` names."
    )
    file: Path | None = Field(
        default=None, description="A file of the repository, which the command reads from its standard input."
    )
    run: Command = Field(description="The command that fills the service.")


class Reports(Part):
    """Files that a stage leaves behind, as patterns of absolute paths in its container."""

    junit: Files = Field(default=(), description="JUnit's XML: tests by name, failing ones first, with their history.")
    coverage: Files = Field(default=(), description="Reports of coverage.")
    files: Files = Field(default=(), description="Files to keep as artifacts.")


class Test(Part):
    """A command that runs inside a service's image, `backing` services beside it, or against an environment.

    `run` may be left out where the service is made for it: its own command, or its image's, is run then.
    """

    service: Text = Field(alias="in", description="The service in whose image the command runs.")
    run: Command | None = Field(
        default=None, description="The command: a text is given to `sh -c`, a list is run as it is."
    )
    env: Variables = Field(default_factory=dict, description="The command's variables.")
    network: Network = Field(
        default="private",
        description="`private`: services by their names; `localhost`: all on one loopback; `none`: nothing in reach.",
    )
    backing: Texts = Field(
        default=(), alias="with", description="Backing services started fresh beside it, with all that they depend on."
    )
    secrets: Secrets = Field(default=(), description="Names of secrets that the command gets as variables.")
    restore: Annotated[tuple[Restore, ...], OneOrMore] = Field(
        default=(), json_schema_extra=or_one, description="What fills backing services before the command."
    )
    shards: Count = Field(default=1, description="How many copies run, each told its number in SLIPWAY_SHARD.")
    reports: Reports = Field(default=Reports(), description="Files that it leaves behind.")
    against: Text = Field(
        default="", description="The environment whose deployment it faces, in SLIPWAY_URL_<SERVICE>."
    )


class Task(Part):
    """A command in an image that need not be the project's own: scan, notify, generate."""

    image: Text = Field(default="", description="The image the command runs in; either this or `in`.")
    service: Text = Field(default="", alias="in", description="The service in whose image the command runs.")
    run: Command = Field(description="The command: a text is given to `sh -c`, a list is run as it is.")
    env: Variables = Field(default_factory=dict, description="The command's variables.")
    network: Network = Field(
        default="private",
        description="`private`: services by their names; `localhost`: all on one loopback; `none`: nothing in reach.",
    )
    backing: Texts = Field(
        default=(), alias="with", description="Backing services started fresh beside it, with all that they depend on."
    )
    secrets: Secrets = Field(default=(), description="Names of secrets that the command gets as variables.")
    reports: Reports = Field(default=Reports(), description="Files that it leaves behind.")


class Deploy(Part):
    """Services that go to an environment; `deploy: staging` is short for `deploy: {to: staging}`."""

    model_config = ConfigDict(json_schema_extra={"type": ["object", "string"], "patternProperties": {"^x-": {}}})

    to: Text = Field(description="The environment.")
    services: Some = Field(
        default="all", description="Which services; `all` leaves out those with `profiles`, and backing services."
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"to": value} if isinstance(value, str) and not is_null(value) else value


class When(Part):
    """Where a stage applies: branches and tags by name, `*` for any part without `/`, `**` for anything; events.

    Without `tags`, a stage with `branches` does not apply to tags.
    """

    branches: Texts | None = Field(default=None, description="Only for these branches.")
    tags: Texts | None = Field(default=None, description="Only for these tags.")
    events: Events | None = Field(default=None, description="Only for runs that one of these has started.")


class Stage(Part):
    """One box of the graph: exactly one of build, test, deploy and task.

    Failures of the project's code are forgiven `retry` times; with `allow_failure` the run goes on without the stage.
    Of all stages of the project with the same `concurrency` one is at work at a time.
    """

    title: Text = Field(
        default="", description="What it is called on pages and in chat; its name stays what commands take."
    )
    build: Some = Field(default=None, description="Builds these services, or all that are built.")
    test: Test | None = Field(default=None, description="Runs a command in a service's image.")
    deploy: Deploy | None = Field(default=None, description="Puts services into an environment.")
    task: Task | None = Field(default=None, description="Runs a command in any image.")
    retry: Retries = Field(default=0, description="How often a failure of the project's code is tried again.")
    allow_failure: Flag = Field(default=False, description="Whether the run goes on without it when it fails.")
    concurrency: Lane = Field(
        default="", description="A word: of all stages of the project that say it one is at work at a time."
    )
    timeout: Time | None = Field(default=None, description="How long it may take.")
    silence: Time | None = Field(default=None, description="How long it may write nothing.")
    when: When | None = Field(default=None, description="Where it applies; without it, everywhere.")
    needs: Texts = Field(
        default=(), description="Stages that must have passed before; without it the one before it in the file."
    )

    @property
    def kind(self) -> Kind:
        """What the stage does."""
        if self.build is not None:
            return Kind.BUILD
        if self.test is not None:
            return Kind.TEST
        return Kind.TASK if self.task is not None else Kind.DEPLOY
