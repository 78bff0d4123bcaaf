"""The configuration as values: what each group of keys holds, with its defaults."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, Field

from pipeline.spec_part import Part
from pipeline.spec_service import Build, Builder, Health, Ready, Release, Service
from pipeline.spec_stage import Deploy, Reports, Restore, Stage, Task, Test, When
from pipeline.spec_trigger import PullRequestTrigger, PushTrigger, Schedule, TagTrigger, Trigger
from pipeline.spec_types import Age, Flag, Kept, Name, Order, Strategy, Text, Texts, Version
from pipeline.spec_values import FileNames, Links
from pipeline.spec_words import Place

DAY = 86400.0


class Environment(Part):
    """A place services are deployed to; pushes go there from `branches`, by default only from the default branch.

    `order` says whether a push must come after what serves there, by its history, or may replace whatever does.
    """

    strategy: Strategy = Field(
        default="rolling",
        description="How new containers take over: started, healthy, given requests; then the old ones drain.",
    )
    order: Order = Field(
        default="ancestry",
        description="`ancestry`: a push must come after what serves there; `any`: it may replace whatever does.",
    )
    branches: Texts | None = Field(
        default=None,
        description="From which branches pushes go there, by name with `*`; without it only from the default branch.",
    )


class Retention(Part):
    """How much is kept: images of each service, and runs and transcripts for so long."""

    images: Kept = Field(default=20, description="How many images of each service are kept.")
    runs: Age = Field(default=90 * DAY, description="How long runs are kept.")
    logs: Age = Field(default=90 * DAY, description="How long the logs of stages are kept.")


class Publish(Part):
    """What is told to the outside once a commit's images are there: a tag `build-BRANCH-N` pushed to the repository."""

    git_tags: Flag = Field(
        default=False,
        description="Whether the commit of a tested build gets the tag `build-BRANCH-N` in the repository.",
    )


class Spec(Part):
    """Everything a slipway.yml says, with what it left out filled in."""

    version: Version = Field(default=1, description="The version of this format.")
    name: Name = Field(description="What the project is called here.")
    description: Text = Field(default="", description="What the project is, for people.")
    branch: Text = Field(description="The default branch: what it says of environments holds for all branches.")
    compose: FileNames = Field(
        default=(),
        description="The Compose files that services come from, the later over the earlier; `[]` reads none.",
    )
    links: Links = Field(default_factory=dict, description="Addresses to show with every run, by the word to show.")
    retention: Retention = Field(default=Retention(), description="How much is kept, and for how long.")
    publish: Publish = Field(default=Publish(), description="What is told to the outside once images are there.")
    trigger: Trigger = Field(default=Trigger(), description="What starts a run.")
    services: dict[str, Service] = Field(description="What is built and deployed, and what stands beside it in tests.")
    stages: dict[str, Stage] = Field(
        description="What is done with a commit, in the order of the file unless `needs` says otherwise."
    )
    environments: dict[str, Environment] = Field(description="The places services are deployed to.")

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
