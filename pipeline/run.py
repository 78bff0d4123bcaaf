"""A run: one push through the stages, and the only way its state moves."""

from dataclasses import dataclass, replace

from pipeline.outcome import Outcome, State
from pipeline.stage import Kind, Stage

# A run that stopped for several reasons is called by the first of these.
STOPPED = (State.CANCELLED, State.ERROR, State.FAILED, State.SUPERSEDED)


class IllegalMove(Exception):
    """A run or stage was asked to move out of a state that has no way there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run and its stages as they stand."""

    id: int
    state: State
    stages: tuple[Stage, ...] = ()

    def advance(self, stage_id: int, outcome: Outcome) -> "Run":
        """Return the run after a stage ended: what waits behind a stop is skipped, and the run may end.

        A source stage that is skipped has found nothing to do, and ends the run as skipped.
        """
        if self.state.ended:
            raise IllegalMove(f"r{self.id} is already {self.state}")
        stages = tuple(_ended(stage, outcome) if stage.id == stage_id else stage for stage in self.stages)
        stop = next((stage for stage in stages if stage.state in STOPPED or _nothing_to_do(stage)), None)
        if stop:
            stages = tuple(_skipped(stage, stop) for stage in stages)
        return replace(self, stages=stages, state=_state(stages))

    @property
    def ready(self) -> tuple[Stage, ...]:
        """The queued stages whose needs are all met."""
        open_doors = {stage.name for stage in self.stages if stage.lets_others_start}
        return tuple(
            stage for stage in self.stages if stage.state is State.QUEUED and open_doors.issuperset(stage.needs)
        )


def _ended(stage: Stage, outcome: Outcome) -> Stage:
    if stage.state.ended or not outcome.state.ended:
        raise IllegalMove(f"stage {stage.name} cannot go from {stage.state} to {outcome.state}")
    return replace(stage, state=outcome.state, sentence=outcome.sentence)


def _skipped(stage: Stage, stop: Stage) -> Stage:
    if stage.state is not State.QUEUED:
        return stage
    return replace(stage, state=State.SKIPPED, sentence=f"not started: {stop.name} {stop.state}")


def _nothing_to_do(stage: Stage) -> bool:
    return stage.kind is Kind.SOURCE and stage.state is State.SKIPPED


def _state(stages: tuple[Stage, ...]) -> State:
    if not all(stage.state.ended for stage in stages):
        return State.RUNNING
    states = {stage.state for stage in stages}
    good = State.SKIPPED if any(_nothing_to_do(stage) for stage in stages) else State.PASSED
    return next((state for state in STOPPED if state in states), good)
