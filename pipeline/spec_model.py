"""The configuration as values: what each group of keys holds, with its defaults."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, model_validator

from pipeline.changes import Paths
from pipeline.health import HealthCheck
from pipeline.spec_part import Part
from pipeline.spec_trigger import PushTrigger, TagTrigger, Trigger
from pipeline.spec_types import (
    Command,
    Count,
    Flag,
    Name,
    Network,
    Order,
    Path,
    PathPatterns,
    Pause,
    Port,
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
from pipeline.spec_words import Place
from pipeline.stage import Kind


class Build(Part):
    """How a service's image is built: paths inside the repository, `dockerfile` inside the context."""

    context: Path = "."
    dockerfile: Path = "Dockerfile"
    target: Text = ""
    args: Variables = Field(default_factory=dict)


class Health(Part):
    """When a container of the service may be given requests."""

    path: UrlPath | None = None
    timeout: Time = 5.0
    within: Time = 30.0
    rise: Count = 1


class Service(Part):
    """One image, and how its containers are reached; without a port the image's own EXPOSE decides.

    With `paths` or `paths_ignore`, a commit that touches nothing the image is made of gets the image there is.
    """

    build: Build = Build()
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


class Test(Part):
    """A command that runs inside a service's image."""

    service: Text = Field(alias="in")
    run: Command
    env: Variables = Field(default_factory=dict)
    network: Network = "private"


class Deploy(Part):
    """Services that go to an environment; `deploy: staging` is short for `deploy: {to: staging}`."""

    to: Text
    services: Some = "all"

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"to": value} if isinstance(value, str) and not is_null(value) else value


class When(Part):
    """Where a stage applies: branches by name, `*` for any part without `/`, `**` for anything."""

    branches: Texts


class Stage(Part):
    """One box of the graph: exactly one of build, test and deploy."""

    build: Some = None
    test: Test | None = None
    deploy: Deploy | None = None
    timeout: Time | None = None
    silence: Time | None = None
    when: When | None = None
    needs: Texts = ()

    @property
    def kind(self) -> Kind:
        """What the stage does."""
        if self.build is not None:
            return Kind.BUILD
        return Kind.TEST if self.test is not None else Kind.DEPLOY


class Environment(Part):
    """A place services are deployed to; pushes go there from `branches`, by default only from the default branch.

    `order` says whether a push must come after what serves there, by its history, or may replace whatever does.
    """

    strategy: Strategy = "rolling"
    order: Order = "ancestry"
    branches: Texts | None = None


class Spec(Part):
    """Everything a slipway.yml says, with what it left out filled in."""

    version: Version = 1
    name: Name
    description: Text = ""
    branch: Text
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
        if one.test is not None:
            return (one.test.service,)
        return self._services(one.deploy.services) if one.deploy is not None else ()

    def _services(self, wanted: Any) -> tuple[str, ...]:
        return tuple(self.services) if wanted == "all" else tuple(wanted or ())


PARTS: Mapping[Place, type[BaseModel]] = {
    (): Spec,
    ("trigger",): Trigger,
    ("trigger", "push"): PushTrigger,
    ("trigger", "tag"): TagTrigger,
    ("services", "*"): Service,
    ("services", "*", "build"): Build,
    ("services", "*", "health"): Health,
    ("stages", "*"): Stage,
    ("stages", "*", "test"): Test,
    ("stages", "*", "deploy"): Deploy,
    ("stages", "*", "when"): When,
    ("environments", "*"): Environment,
}
