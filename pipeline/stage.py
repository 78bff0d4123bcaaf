"""One box of a run's graph."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline.outcome import Outcome, State


class Kind(StrEnum):
    """What a stage does. `source` fetches the commit and reads its configuration, before the file's own stages."""

    SOURCE = "source"
    BUILD = "build"
    TEST = "test"
    DEPLOY = "deploy"
    TASK = "task"


# What a commit is judged by.
CHECKS = frozenset({Kind.BUILD, Kind.TEST})
# What passed by what another run had deployed there meanwhile; it proves nothing of this commit.
OTHER = "other_deployment"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A stage of a run as it stands; `needs` are the names of the stages that must have passed before.

    Of its failures `retries` are forgiven, `tries` have happened; `flaky`: it passed only then. `allow_failure`: the
    run goes on without it. `lane` is the concurrency group it is in, `attempt` how often it has begun.
    """

    id: int
    name: str
    kind: Kind
    state: State
    needs: tuple[str, ...] = ()
    sentence: str = ""
    retries: int = 0
    tries: int = 0
    allow_failure: bool = False
    code: str = ""
    flaky: bool = False
    lane: str = ""
    attempt: int = 0

    @property
    def lets_others_start(self) -> bool:
        """Tell whether the stages that need this one may start."""
        return self.state in {State.PASSED, State.SKIPPED} or self._was_allowed

    @property
    def stops_others(self) -> bool:
        """Tell whether the stages that need this one never start, and the run ends as it has."""
        return self.state.ended and not self.lets_others_start

    @property
    def was_not_started(self) -> bool:
        """Tell whether it was skipped for another stage's end; one that was not meant to run says why by a code."""
        return self.state is State.SKIPPED and not self.code

    @property
    def is_good(self) -> bool:
        """Tell whether it says nothing against its commit: it has passed by that, was left out, or failed and may."""
        return self.lets_others_start and not self.was_not_started and self.code != OTHER

    @property
    def was_left_out(self) -> bool:
        """Tell whether the plan of its run leaves it out; one that had nothing to do has begun, and may again."""
        return self.state is State.SKIPPED and bool(self.code) and not self.attempt

    @property
    def _was_allowed(self) -> bool:
        return self.allow_failure and self.state in {State.FAILED, State.ERROR}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedStage:
    """A stage to be; `spec` is what its kind needs to know, as JSON, and `outcome` is there if it will not run.

    Of all stages of the project with the same `concurrency` one is at work at a time.
    """

    name: str
    kind: Kind
    needs: tuple[str, ...] = ()
    spec: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    retries: int = 0
    allow_failure: bool = False
    concurrency: str = ""
    outcome: Outcome | None = None
