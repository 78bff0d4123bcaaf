"""The configuration as values: what each group of keys holds, with its defaults."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.changes import Paths
from pipeline.health import HealthCheck
from pipeline.spec_part import Part, or_one
from pipeline.spec_trigger import PullRequestTrigger, PushTrigger, Schedule, TagTrigger, Trigger
from pipeline.spec_types import (
    Age,
    Command,
    Count,
    Flag,
    Kept,
    Name,
    Network,
    Order,
    Path,
    PathPatterns,
    Pause,
    Port,
    Retries,
    Some,
    Strategy,
    Text,
    Texts,
    Time,
    UrlPath,
    Variables,
    Version,
    is_null,
)
from pipeline.spec_values import Events, FileNames, Files, Lane, Links, OneOrMore, Secrets, Volumes
from pipeline.spec_words import Place
from pipeline.stage import Kind

DAY = 86400.0


class Build(Part):
    """How a service's image is built: paths inside the repository, `dockerfile` inside the context.

    `secrets` are names; a RUN step sees each with `--mount=type=secret,id=NAME`, and nothing else ever does.
    """

    context: Path = "."
    dockerfile: Path = "Dockerfile"
    target: Text = ""
    args: Variables = Field(default_factory=dict)
    secrets: Secrets = ()


class Builder(Part):
    """A build container: a toolchain's image with the source mounted, whose `output` becomes the build's context.

    The image is named, or built from a Dockerfile of the repository.
    """

    image: Text = ""
    dockerfile: Path | None = None
    target: Text = ""
    run: Command
    output: Path = "."
    env: Variables = Field(default_factory=dict)
    secrets: Secrets = ()


class Release(Part):
    """The image for users: another target of the same Dockerfile, other arguments."""

    target: Text = ""
    args: Variables = Field(default_factory=dict)


class Ready(Part):
    """How it is known that a backing service can be used: any that are said must hold; none of them: it runs."""

    port: Port | None = None
    path: UrlPath | None = None
    log: Text = ""
    run: Command | None = None
    within: Time = 60.0


class Health(Part):
    """When a container of the service may be given requests."""

    path: UrlPath | None = None
    timeout: Time = 5.0
    within: Time = 30.0
    rise: Count = 1


class Service(Part):
    """One image, and how its containers are reached; without a port the image's own EXPOSE decides.

    With `paths` or `paths_ignore`, a commit that touches nothing the image is made of gets the image there is.
    One with an `image` is a backing service: it is never built, and stands beside the others. One with `profiles` is
    for tests: it is built, and never deployed unless it is named.
    """

    image: Text = ""
    build: Build = Build()
    builder: Builder | None = None
    release: Release | None = None
    command: Command | None = None
    env: Variables = Field(default_factory=dict)
    volumes: Volumes = Field(default_factory=dict)
    depends_on: Texts = ()
    profiles: Texts = ()
    ready: Ready | None = None
    port: Port | None = None
    health: Health = Health()
    drain: Pause = 10.0
    main: Flag = False
    paths: PathPatterns | None = None
    paths_ignore: PathPatterns | None = None

    @property
    def check(self) -> HealthCheck:
        """The probe that decides when a new container is healthy."""
        health = self.health
        return HealthCheck(path=health.path, timeout=health.timeout, within=health.within, rise=health.rise)

    @property
    def made_of(self) -> Paths | None:
        """The paths that the image is made of; None if nobody has said, and any change may be one to it."""
        if self.paths is None and self.paths_ignore is None:
            return None
        return Paths(only=self.paths, ignore=self.paths_ignore or ())


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


class Environment(Part):
    """A place services are deployed to; pushes go there from `branches`, by default only from the default branch.

    `order` says whether a push must come after what serves there, by its history, or may replace whatever does.
    """

    strategy: Strategy = "rolling"
    order: Order = "ancestry"
    branches: Texts | None = None


class Retention(Part):
    """How much is kept: images of each service, and runs and transcripts for so long."""

    images: Kept = 20
    runs: Age = 90 * DAY
    logs: Age = 90 * DAY


class Publish(Part):
    """What is told to the outside once a commit's images are there: a tag `build-BRANCH-N` pushed to the repository."""

    git_tags: Flag = False


class Spec(Part):
    """Everything a slipway.yml says, with what it left out filled in."""

    version: Version = 1
    name: Name
    description: Text = ""
    branch: Text
    compose: FileNames = ()
    links: Links = Field(default_factory=dict)
    retention: Retention = Retention()
    publish: Publish = Publish()
    trigger: Trigger = Trigger()
    services: dict[str, Service]
    stages: dict[str, Stage]
    environments: dict[str, Environment]

    @property
    def main(self) -> str | None:
        """The service that also answers at the environment's own name."""
        return next((name for name, service in self.services.items() if service.main), None)

    def before(self, stage: str) -> tuple[str, ...]:
        """Return every stage that must have ended before this one starts."""
        found: dict[str, None] = {}
        waiting = [stage]
        while waiting:
            new = [need for need in self.stages[waiting.pop()].needs if need not in found]
            found.update(dict.fromkeys(new))
            waiting += new
        return tuple(found)

    def builds(self, stage: str) -> tuple[str, ...]:
        """Return the services a stage builds."""
        return self._services(self.stages[stage].build)

    def uses(self, stage: str) -> tuple[str, ...]:
        """Return the services whose images a stage needs."""
        one = self.stages[stage]
        if (work := one.test or one.task) is not None:
            named = (work.service, *self.beside(work.backing))
            return tuple(name for name in named if name and not self.services[name].image)
        return self._deployed(one.deploy.services) if one.deploy is not None else ()

    def beside(self, named: Iterable[str]) -> tuple[str, ...]:
        """Return the services that are named, and those that they depend on."""
        found: dict[str, None] = {}
        waiting = list(named)
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found[name] = None
                waiting += self.services[name].depends_on
        return tuple(found)

    def _deployed(self, wanted: Any) -> tuple[str, ...]:
        """Return the services that are deployed: without being named, none that is only for tests."""
        return tuple(name for name in self._services(wanted) if wanted != "all" or not self.services[name].profiles)

    def _services(self, wanted: Any) -> tuple[str, ...]:
        """Return the services that `build` or `deploy` names; all of them are those that are built."""
        if wanted != "all":
            return tuple(wanted or ())
        return tuple(name for name, service in self.services.items() if not service.image)


PARTS: Mapping[Place, type[BaseModel]] = {
    (): Spec,
    ("trigger",): Trigger,
    ("trigger", "push"): PushTrigger,
    ("trigger", "tag"): TagTrigger,
    ("trigger", "pull_request"): PullRequestTrigger,
    ("trigger", "schedule", "#"): Schedule,
    ("retention",): Retention,
    ("publish",): Publish,
    ("services", "*"): Service,
    ("services", "*", "build"): Build,
    ("services", "*", "health"): Health,
    ("services", "*", "builder"): Builder,
    ("services", "*", "release"): Release,
    ("services", "*", "ready"): Ready,
    ("stages", "*"): Stage,
    ("stages", "*", "test"): Test,
    ("stages", "*", "test", "reports"): Reports,
    ("stages", "*", "test", "restore", "#"): Restore,
    ("stages", "*", "task"): Task,
    ("stages", "*", "task", "reports"): Reports,
    ("stages", "*", "deploy"): Deploy,
    ("stages", "*", "when"): When,
    ("environments", "*"): Environment,
}
