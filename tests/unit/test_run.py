"""A run moves only through `advance`."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.outcome import Outcome, State, passed, skipped
from pipeline.run import IllegalMove, Run
from pipeline.stage import Kind, Stage

STOPS = [State.FAILED, State.ERROR, State.CANCELLED, State.SUPERSEDED]


def chain(*names: str) -> Run:
    stages = [
        Stage(id=number, name=name, kind=Kind.TEST, state=State.QUEUED, needs=tuple(names[number - 1 : number]))
        for number, name in enumerate(names)
    ]
    return Run(id=1, state=State.QUEUED, stages=tuple(stages))


def test_only_the_first_of_a_chain_is_ready() -> None:
    assert [stage.name for stage in chain("build", "unit", "ci").ready] == ["build"]


def test_a_passed_stage_lets_the_next_start() -> None:
    run = chain("build", "unit").advance(0, passed())
    assert run.state is State.RUNNING
    assert [stage.name for stage in run.ready] == ["unit"]


def test_a_skipped_stage_lets_the_next_start_too() -> None:
    assert [stage.name for stage in chain("ci", "staging").advance(0, skipped("pinned", "pinned")).ready] == ["staging"]


def test_the_last_pass_ends_the_run() -> None:
    run = chain("build", "unit").advance(0, passed()).advance(1, passed())
    assert run.state is State.PASSED
    assert run.ready == ()


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_skips_what_waits_and_names_the_run(stop: State) -> None:
    run = chain("build", "unit", "ci").advance(0, Outcome(state=stop))
    assert run.state is stop
    assert [stage.state for stage in run.stages[1:]] == [State.SKIPPED, State.SKIPPED]
    assert run.stages[1].sentence == f"not started: build {stop}"


def test_a_run_waits_for_a_parallel_stage_before_it_fails() -> None:
    running = Stage(id=1, name="b", kind=Kind.TEST, state=State.RUNNING)
    run = Run(id=1, state=State.RUNNING, stages=(Stage(id=0, name="a", kind=Kind.TEST, state=State.RUNNING), running))
    halfway = run.advance(0, Outcome(state=State.FAILED))
    assert halfway.state is State.RUNNING
    assert halfway.advance(1, passed()).state is State.FAILED


def test_an_ended_run_moves_no_more() -> None:
    run = chain("build").advance(0, passed())
    with pytest.raises(IllegalMove):
        run.advance(0, passed())


def test_an_ended_stage_moves_no_more() -> None:
    run = chain("build", "unit").advance(0, passed())
    with pytest.raises(IllegalMove):
        run.advance(0, passed())


def test_a_stage_cannot_end_in_a_state_that_is_no_end() -> None:
    with pytest.raises(IllegalMove):
        chain("build").advance(0, Outcome(state=State.RUNNING))


@pytest.mark.parametrize("state", [State.SKIPPED, *STOPS])
def test_a_source_that_finds_nothing_to_do_ends_the_run_as_it_ended_itself(state: State) -> None:
    source = Stage(id=0, name="source", kind=Kind.SOURCE, state=State.RUNNING)
    waiting = Stage(id=1, name="build", kind=Kind.BUILD, state=State.QUEUED, needs=("source",))
    run = Run(id=1, state=State.RUNNING, stages=(source, waiting))
    ended = run.advance(0, Outcome(state=state, sentence="nothing to do: only docs/** changed"))
    assert ended.state is state
    assert ended.stages[1].sentence == f"not started: source {state}"
    assert replace(run, stages=(source,)).advance(0, Outcome(state=state)).state is state


@given(st.lists(st.sampled_from([State.PASSED, State.SKIPPED, *STOPS]), min_size=1, max_size=6))
def test_every_chain_ends_once_and_never_passes_over_a_stop(ends: list[State]) -> None:
    run = chain(*[f"s{number}" for number in range(len(ends))])
    for number, state in enumerate(ends):
        if run.state.ended:
            break
        run = run.advance(number, Outcome(state=state))
    assert run.state.ended
    first = next((state for state in ends if state in STOPS), State.PASSED)
    assert run.state is first
