"""Stories: what a live message tells of a run or a deployment, read from SQL and drawn without it."""

from dataclasses import dataclass

from pipeline.deployment import Cause, DeploymentState
from pipeline.outcome import State
from pipeline.run import STOPPED
from pipeline.stage import Kind
from pipeline.telling import called


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a deployed service answers."""

    service: str
    environment: str
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StageStory:
    """One stage: how it stands, how long it took, and its last lines if it failed."""

    name: str
    title: str = ""
    kind: Kind
    state: State
    sentence: str = ""
    tail: tuple[str, ...] = ()
    seconds: float | None = None
    attempt: int = 0
    flaky: bool = False
    allow_failure: bool = False

    @property
    def called(self) -> str:
        """What people read for it."""
        return called(self.name, self.title)

    @property
    def was_allowed(self) -> bool:
        """Tell whether it failed, and may."""
        return self.allow_failure and self.state in {State.FAILED, State.ERROR}


@dataclass(frozen=True, kw_only=True, slots=True)
class Mended:
    """How long a branch was broken before this run: failed runs in a row, and the time since the first."""

    failures: int
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RunStory:
    """One push through the stages; `subject` and `author` are other people's words, `left` seconds until its end,
    `asked` who asked for it and why.
    """

    id: int
    project: str
    revision: str
    ref: str
    subject: str
    author: str
    state: State
    reason: str = ""
    stages: tuple[StageStory, ...] = ()
    addresses: tuple[Address, ...] = ()
    seconds: float | None = None
    left: float | None = None
    mended: Mended | None = None
    asked: str = ""

    @property
    def stopped(self) -> StageStory | None:
        """The stage that stopped the run, if one did."""
        stops = [stage for stage in self.stages if stage.state in STOPPED and not stage.was_allowed]
        mine = [stage for stage in stops if stage.state is self.state] or stops
        # What was cancelled before it could begin is not where it was cancelled.
        return next((stage for stage in mine if stage.attempt), mine[0] if mine else None)

    @property
    def flaky(self) -> tuple[StageStory, ...]:
        """The stages that passed only when they were tried again."""
        return tuple(stage for stage in self.stages if stage.flaky)

    @property
    def running(self) -> StageStory | None:
        """The furthest stage that is being carried out."""
        return next((stage for stage in reversed(self.stages) if stage.state is State.RUNNING), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A service as a deployment has it, and whether that is another image than before."""

    service: str
    revision: str
    changed: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentStory:
    """One move of an environment, by whom and why."""

    id: int
    project: str
    environment: str
    cause: Cause
    actor: str
    state: DeploymentState
    reason: str = ""
    parts: tuple[Part, ...] = ()
    was: tuple[Part, ...] = ()
    steps: tuple[tuple[str, str], ...] = ()
    addresses: tuple[Address, ...] = ()
    seconds: float | None = None
    pinned: bool = False

    @property
    def moved(self) -> tuple[Part, ...]:
        """The parts that are worth naming: those that change, or all if the same images are deployed again."""
        return tuple(part for part in self.parts if part.changed) or self.parts


Story = RunStory | DeploymentStory
