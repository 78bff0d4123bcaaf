"""A run moves only through `advance`."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Conflict
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


def stage(number: int, name: str, *needs: str, **values: Any) -> Stage:
    known: dict[str, Any] = {"kind": Kind.TEST, "state": State.QUEUED}
    return Stage(id=number, name=name, needs=needs, **{**known, **values})


def graph(*stages: Stage) -> Run:
    return Run(id=1, state=State.RUNNING, stages=stages)


def failed(sentence: str = "exited with 1") -> Outcome:
    return Outcome(state=State.FAILED, sentence=sentence, code="tests_failed")


def test_a_failure_stops_only_what_needs_it_through_skipped_stages_too() -> None:
    run = graph(
        stage(0, "build"),
        stage(1, "unit", "build"),
        stage(2, "lint", "build"),
        stage(3, "ci", "unit", state=State.SKIPPED, code="other_branch"),
        stage(4, "live", "ci"),
        stage(5, "scan", "lint"),
    )
    run = run.advance(0, passed()).advance(1, failed())
    assert [one.state for one in run.stages[3:]] == [State.SKIPPED, State.SKIPPED, State.QUEUED]
    assert run.stages[4].sentence == "not started: unit failed"
    run = run.advance(2, passed())
    assert [one.name for one in run.ready] == ["scan"]
    run = run.advance(5, passed())
    assert run.state is State.FAILED
    assert run.culprit == run.stages[1]


def test_a_skipped_stage_opens_no_door_before_its_own_needs_are_met() -> None:
    skipped_one = stage(1, "ci", "build", state=State.SKIPPED, code="other_branch")
    run = graph(stage(0, "build"), skipped_one, stage(2, "live", "ci"))
    assert [one.name for one in run.ready] == ["build"]
    assert [one.name for one in run.advance(0, passed()).ready] == ["live"]


@pytest.mark.parametrize("stop", [State.CANCELLED, State.SUPERSEDED])
def test_what_stops_a_run_as_a_whole_stops_independent_stages_too(stop: State) -> None:
    run = graph(stage(0, "a", state=State.RUNNING), stage(1, "b"), stage(2, "c")).advance(0, Outcome(state=stop))
    assert run.state is stop
    assert run.ready == ()


def test_a_forgiven_failure_is_queued_again_and_a_pass_after_it_is_flaky() -> None:
    run = graph(stage(0, "unit", retries=2), stage(1, "ci", "unit")).advance(0, failed())
    assert [one.name for one in run.ready] == ["unit"]
    assert (run.stages[0].tries, run.stages[0].sentence) == (1, "failed, trying again (1 of 2): exited with 1")
    run = run.advance(0, passed())
    assert run.stages[0].flaky and run.stages[0].sentence == "passed on retry (flaky)"
    assert [one.name for one in run.ready] == ["ci"]


def test_a_stage_fails_once_its_retries_are_used_up() -> None:
    run = graph(stage(0, "unit", retries=1)).advance(0, failed()).advance(0, failed())
    assert run.state is State.FAILED
    assert run.stages[0].tries == 2


def test_an_error_of_ours_uses_no_retry_of_the_projects() -> None:
    run = graph(stage(0, "unit", retries=3)).advance(0, Outcome(state=State.ERROR))
    assert run.state is State.ERROR
    assert run.stages[0].tries == 0


@pytest.mark.parametrize("end", [State.FAILED, State.ERROR])
def test_a_run_goes_on_without_a_stage_that_may_fail(end: State) -> None:
    run = graph(stage(0, "scan", allow_failure=True), stage(1, "ci", "scan")).advance(0, Outcome(state=end))
    assert [one.name for one in run.ready] == ["ci"]
    run = run.advance(1, passed())
    assert run.state is State.PASSED
    assert run.stages[0].state is end
    assert run.culprit is None


def test_a_failed_stage_runs_again_with_what_was_skipped_behind_it_and_nothing_else() -> None:
    run = graph(
        stage(0, "build", state=State.PASSED),
        stage(1, "unit", "build"),
        stage(2, "lint", "build", state=State.PASSED),
        stage(3, "ci", "unit", "lint"),
        stage(4, "prod", "ci", state=State.SKIPPED, code="other_branch"),
        stage(5, "live", "prod"),
    ).advance(1, failed())
    assert run.state is State.FAILED
    run = run.again()
    assert run.state is State.RUNNING
    assert [one.name for one in run.stages if one.state is State.QUEUED] == ["unit", "ci", "live"]
    assert [one.name for one in run.ready] == ["unit"]
    run = run.advance(1, passed())
    assert run.stages[1].tries == 0 and not run.stages[1].flaky


@pytest.mark.parametrize("code", ["no_secret", "no_image", "nothing_serves"])
def test_what_failed_before_any_code_ran_is_no_try(code: str) -> None:
    missing = Outcome(state=State.FAILED, sentence="set it", code=code)
    run = graph(stage(0, "unit", retries=2)).advance(0, missing)
    assert (run.state, run.stages[0].tries) == (State.FAILED, 0)
    run = run.again().advance(0, failed()).advance(0, passed())
    assert run.stages[0].flaky


def test_what_stands_behind_another_failure_stays_skipped_when_one_stage_runs_again() -> None:
    run = graph(stage(0, "unit"), stage(1, "lint"), stage(2, "ci", "unit", "lint"))
    run = run.advance(0, failed()).advance(1, failed()).again(["unit"])
    assert [one.state for one in run.stages] == [State.QUEUED, State.FAILED, State.SKIPPED]
    assert run.stages[2].sentence == "not started: lint failed"


def test_a_stage_that_passed_runs_again_by_itself() -> None:
    run = graph(stage(0, "unit", state=State.PASSED), stage(1, "ci", "unit", state=State.PASSED)).again(["unit"])
    assert [one.state for one in run.stages] == [State.QUEUED, State.PASSED]
    assert run.advance(0, passed()).state is State.PASSED


def test_a_run_in_which_nothing_stopped_has_nothing_to_run_again_by_itself() -> None:
    done = graph(stage(0, "unit", state=State.PASSED))
    for names in ([], ["other"]):
        with pytest.raises(IllegalMove):
            done.again(names)
    with pytest.raises(IllegalMove):
        graph(stage(0, "unit", state=State.RUNNING)).again(["unit"])


def test_what_a_run_leaves_out_by_its_plan_is_not_run_by_name() -> None:
    left_out = stage(1, "live", "ci", state=State.SKIPPED, code="other_branch", sentence="deploys only from main")
    run = graph(stage(0, "ci", state=State.PASSED), left_out)
    with pytest.raises(Conflict, match=r"live is not for r1: deploys only from main\.") as refused:
        run.again(["live"])
    assert refused.value.code == "not_for_this_run"


def test_what_had_nothing_to_do_when_it_began_may_run_again_by_name() -> None:
    pinned = stage(0, "live", state=State.SKIPPED, code="pinned", sentence="staging is pinned", attempt=1)
    assert graph(pinned).again(["live"]).ready[0].name == "live"


def test_what_stands_behind_a_stop_cannot_run_again_before_that_has() -> None:
    run = graph(stage(0, "a"), stage(1, "b", "a"), stage(2, "c", "b")).advance(0, failed())
    with pytest.raises(Conflict, match=r"c stands behind a, which failed; retry a\.") as refused:
        run.again(["c"])
    assert refused.value.code == "stands_behind"


def test_a_run_is_settled_only_once_all_of_its_stages_have_ended() -> None:
    run = graph(stage(0, "a", state=State.FAILED), stage(1, "b", state=State.RUNNING))
    assert run.settled() is run
    assert replace(run, stages=run.stages[:1]).settled().state is State.FAILED


@st.composite
def graphs(draw: st.DrawFn) -> Run:
    stages: list[Stage] = []
    for number in range(draw(st.integers(1, 7))):
        needs = draw(st.sets(st.sampled_from([one.name for one in stages]))) if stages else set()
        planned_out = draw(st.integers(0, 5)) == 0
        state, code = (State.SKIPPED, "other_branch") if planned_out else (State.QUEUED, "")
        values = {"retries": draw(st.integers(0, 2)), "allow_failure": draw(st.booleans())}
        stages.append(stage(number, f"s{number}", *sorted(needs), state=state, code=code, **values))
    return graph(*stages)


@given(graphs(), st.data())
def test_every_graph_comes_to_one_end_and_nothing_starts_before_its_needs(run: Run, data: st.DataObject) -> None:
    ends = st.sampled_from([State.PASSED, State.PASSED, State.FAILED, State.ERROR, State.CANCELLED])
    steps = 0
    while run.ready:
        chosen = data.draw(st.sampled_from(run.ready))
        state = {one.name: one for one in run.stages}
        assert all(state[need].lets_others_start for need in chosen.needs)
        run, steps = run.advance(chosen.id, Outcome(state=data.draw(ends))), steps + 1
    assert steps <= sum(one.retries + 1 for one in run.stages)
    if steps:
        assert run.state.ended
        bad = [one for one in run.stages if one.stops_others]
        assert (run.state is State.PASSED) == (not bad)
        assert all(one.flaky == (one.state is State.PASSED and one.tries > 0) for one in run.stages)


@given(graphs(), st.data())
def test_whatever_is_run_again_something_begins_or_it_is_refused(run: Run, data: st.DataObject) -> None:
    ends = st.sampled_from([State.PASSED, State.PASSED, State.FAILED, State.ERROR, State.CANCELLED])
    for _ in range(3):
        while run.ready:
            run = run.advance(data.draw(st.sampled_from(run.ready)).id, Outcome(state=data.draw(ends)))
        left_out = {one.name for one in run.stages if one.code == "other_branch"}
        names = data.draw(st.sets(st.sampled_from([one.name for one in run.stages]), max_size=2))
        try:
            run = run.again(names)
        except (Conflict, IllegalMove):
            continue
        assert run.ready
        assert not any(one.name in left_out and one.state is State.QUEUED for one in run.stages)


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
