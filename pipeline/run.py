"""A run: one push through the stages, and the only way its state moves."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from pipeline.errors import Conflict
from pipeline.names import run_name
from pipeline.outcome import Outcome, State
from pipeline.stage import CHECKS, Kind, Stage

# A run that stopped for several reasons is called by the first of these.
STOPPED = (State.CANCELLED, State.ERROR, State.FAILED, State.SUPERSEDED)
# What stops all of a run; the rest stops only what needs it.
WHOLE = frozenset({State.CANCELLED, State.SUPERSEDED})
FLAKY = "passed on retry (flaky)"
# What was wrong before any code of the project ran: the same try would fail the same, so it is none.
NOT_TRIED = frozenset(
    {
        *("no_secret", "no_secrets_for_forks", "no_build_secret", "no_build_secrets", "no_environment_for_forks"),
        *("no_image", "no_dockerfile", "bad_dockerfile", "bad_dockerfile_path", "bad_build_args", "no_context"),
        *("no_file", "port_clash", "nothing_serves", "no_deploys_for_forks"),
    }
)


class IllegalMove(Exception):
    """A run or stage was asked to move out of a state that has no way there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run and its stages as they stand."""

    id: int
    state: State
    stages: tuple[Stage, ...] = ()

    def advance(self, stage_id: int, outcome: Outcome) -> "Run":
        """Return the run after a stage ended: what needs a stage that stopped is skipped, and the run may end.

        A failure that is forgiven puts the stage back in the queue. A source stage that is skipped has found nothing to
        do, and ends the run as skipped.
        """
        if self.state.ended:
            raise IllegalMove(f"r{self.id} is already {self.state}")
        stages = tuple(_ended(stage, outcome) if stage.id == stage_id else stage for stage in self.stages)
        stages = _skipped(stages)
        return replace(self, stages=stages, state=_state(stages))

    def again(self, names: Collection[str] = ()) -> "Run":
        """Return the run with these stages queued once more, and with them what was never started because of them.

        Without names they are all that stopped. Raises IllegalMove if one has not ended, or there is none; Conflict if
        a named one is not for this run, or nothing could begin.
        """
        self._check_planned(names)
        chosen = {stage.name for stage in self.stages if stage.name in names or (not names and stage.stops_others)}
        # A run that was stopped as a whole goes on as a whole.
        chosen |= {stage.name for stage in self.stages if stage.state in WHOLE}
        if not chosen or any(not stage.state.ended for stage in self.stages if stage.name in chosen):
            raise IllegalMove(f"r{self.id} has no stage to run again")
        behind = set(chosen)
        for stage in self._in_order():
            if stage.state is State.SKIPPED and behind.intersection(stage.needs):
                behind.add(stage.name)
                chosen |= {stage.name} if stage.was_not_started else set()
        stages = tuple(_queued(stage) if stage.name in chosen else stage for stage in self.stages)
        # What stands behind another stop than these stays as it was.
        left = _skipped(stages)
        if all(stage.state is not State.QUEUED for stage in left):
            raise _blocked(next(stage for stage in left if stage.name in chosen), _behind(stages))
        return replace(self, stages=left, state=State.RUNNING)

    def settled(self) -> "Run":
        """Return the run ended as its stages say, if all of them have."""
        state = self.state if self.state.ended else _state(self.stages)
        return replace(self, state=state) if state.ended else self

    @property
    def culprit(self) -> Stage | None:
        """The stage that the run ended for as it did."""
        return next((stage for stage in self.stages if stage.state is self.state and not stage.lets_others_start), None)

    @property
    def proves_its_commit(self) -> bool:
        """Tell whether every build and test has ended, and none against the commit."""
        return all(stage.is_good for stage in self.stages if stage.kind in CHECKS)

    @property
    def ready(self) -> tuple[Stage, ...]:
        """The queued stages whose needs are all met; of one that was skipped, those that it had itself."""
        opened: set[str] = set()
        for stage in self._in_order():
            if stage.lets_others_start and (stage.state is not State.SKIPPED or opened.issuperset(stage.needs)):
                opened.add(stage.name)
        return tuple(stage for stage in self.stages if stage.state is State.QUEUED and opened.issuperset(stage.needs))

    def _check_planned(self, names: Collection[str]) -> None:
        """Raise Conflict if one of these stages was never meant to run here."""
        for stage in self.stages:
            if stage.name in names and stage.was_left_out:
                sentence = f"{stage.name} is not for {run_name(self.id)}: {stage.sentence}."
                raise Conflict(sentence, code="not_for_this_run")

    def _in_order(self) -> Iterable[Stage]:
        """Return the stages so that each comes after what it needs; what a circle holds comes last."""
        left, known = list(self.stages), {stage.name for stage in self.stages}
        done: set[str] = set()
        while left:
            free = [stage for stage in left if done.issuperset(known.intersection(stage.needs))] or left
            yield from free
            done.update(stage.name for stage in free)
            left = [stage for stage in left if stage.name not in done]


def _ended(stage: Stage, outcome: Outcome) -> Stage:
    if stage.state.ended or not outcome.state.ended:
        raise IllegalMove(f"stage {stage.name} cannot go from {stage.state} to {outcome.state}")
    now = replace(stage, state=outcome.state, sentence=outcome.sentence, code=outcome.code)
    if outcome.state is State.FAILED:
        return _failed(now)
    if outcome.state is State.PASSED and stage.tries:
        return replace(now, flaky=True, sentence=": ".join(filter(None, (FLAKY, outcome.sentence))))
    return now


def _failed(stage: Stage) -> Stage:
    """Count a failure of the project's code, and put the stage back in the queue if it is forgiven."""
    if stage.code in NOT_TRIED:
        return stage
    stage = replace(stage, tries=stage.tries + 1)
    if stage.tries > stage.retries:
        return stage
    again = f"failed, trying again ({stage.tries} of {stage.retries})"
    return replace(stage, state=State.QUEUED, sentence=": ".join(filter(None, (again, stage.sentence))))


def _queued(stage: Stage) -> Stage:
    """Return a stage as before its first try: a pass after somebody has mended things and asked again is no luck."""
    return replace(stage, state=State.QUEUED, sentence="", code="", flaky=False, tries=0)


def _blocked(stage: Stage, behind: Mapping[str, Stage]) -> Conflict:
    """Return why a stage cannot run again by itself."""
    stop = behind[stage.name]
    how = "failed" if stop.state is State.FAILED else f"ended as {stop.state}"
    return Conflict(f"{stage.name} stands behind {stop.name}, which {how}; retry {stop.name}.", code="stands_behind")


def _skipped(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Return the stages, those that now can never start as skipped, each for the first stop that it stands behind."""
    behind = _behind(stages)
    return tuple(_not_started(stage, behind[stage.name]) if stage.name in behind else stage for stage in stages)


def _behind(stages: tuple[Stage, ...]) -> dict[str, Stage]:
    """Return the first stop that each stage stands behind; those that stopped are their own."""
    whole = next((stage for stage in stages if stage.state in WHOLE or _stops_all(stage)), None)
    if whole:
        return {stage.name: whole for stage in stages}
    behind = {stage.name: stage for stage in stages if stage.stops_others}
    grows = bool(behind)
    while grows:
        new = {one.name: _culprit(one, behind) for one in stages if one.name not in behind and _waits(one, behind)}
        behind |= new
        grows = bool(new)
    return behind


def _waits(stage: Stage, behind: Collection[str]) -> bool:
    return stage.state in {State.QUEUED, State.SKIPPED} and any(need in behind for need in stage.needs)


def _culprit(stage: Stage, behind: dict[str, Stage]) -> Stage:
    return next(behind[need] for need in stage.needs if need in behind)


def _not_started(stage: Stage, stop: Stage) -> Stage:
    if stage.state is not State.QUEUED:
        return stage
    return replace(stage, state=State.SKIPPED, sentence=f"not started: {stop.name} {stop.state}", code="")


def _stops_all(stage: Stage) -> bool:
    return stage.kind is Kind.SOURCE and stage.state.ended and stage.state is not State.PASSED


def _nothing_to_do(stage: Stage) -> bool:
    return stage.kind is Kind.SOURCE and stage.state is State.SKIPPED


def _state(stages: tuple[Stage, ...]) -> State:
    if not all(stage.state.ended for stage in stages):
        return State.RUNNING
    states = {stage.state for stage in stages if stage.stops_others or stage.state in WHOLE}
    good = State.SKIPPED if any(_nothing_to_do(stage) for stage in stages) else State.PASSED
    return next((state for state in STOPPED if state in states), good)
