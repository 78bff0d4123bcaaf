"""Runs whose stages are tried again, may fail, or are run again by hand: on real databases."""

from collections.abc import Sequence
from datetime import datetime

import pytest
from sqlalchemy import select

from pipeline.outcome import Outcome, State, passed
from pipeline.push import Push
from pipeline.run import Run
from pipeline.stage import Kind, PlannedStage
from store import jobs, projects, runs, stories, views
from store.links import Links
from store.schema import JobRow, RunRow, StageRow
from store.session import Database
from tests import factories as make

LINKS = Links(web="http://slipway.test")
FAILED = Outcome(state=State.FAILED, sentence="exited with 1", code="tests_failed", tail=("E  no",))


def run_of(database: Database, moment: datetime, stages: Sequence[PlannedStage], *, name: str = "shop") -> int:
    """Make a run whose source stage has planned these stages."""
    with database.begin() as session:
        row = make.project(session, name)
        push = Push(ref="refs/heads/main", before="0" * 40, after=make.revision(name))
        run, _ = runs.create(session, projects.get(session, row.id), push, trigger="push", at=moment)
        runs.plan(session, run, stages)
    end(database, moment, run, "source", passed())
    return run


def planned(name: str, *needs: str, **values: object) -> PlannedStage:
    return PlannedStage(name=name, kind=Kind.TEST, needs=needs or ("source",), **values)  # type: ignore[arg-type]


def stage_row(database: Database, run: int, name: str) -> StageRow:
    with database.read() as session:
        return session.scalars(select(StageRow).where(StageRow.run_id == run, StageRow.name == name)).one()


def run_row(database: Database, run: int) -> RunRow:
    with database.read() as session:
        return session.get_one(RunRow, run)


def claim(database: Database, run: int, name: str) -> jobs.Claim | None:
    stage = stage_row(database, run, name).id
    with database.begin() as session:
        job = session.scalar(select(JobRow.id).where(JobRow.kind == jobs.JobKind.STAGE, JobRow.ref_id == stage))
        return jobs.claim(session, job or 0, "me")


def end(database: Database, moment: datetime, run: int, name: str, outcome: Outcome) -> Run:
    """Carry a stage through as a worker does, to this end."""
    held = claim(database, run, name)
    assert held is not None
    with database.begin() as session:
        runs.begin(session, held.ref_id, at=moment)
        jobs.finish(session, held)
        return runs.end(session, held.ref_id, outcome, at=moment)


def test_a_forgiven_failure_is_queued_at_once_and_the_pass_after_it_shows_as_flaky(
    database: Database, moment: datetime
) -> None:
    run = run_of(database, moment, [planned("unit", retries=1)])
    assert end(database, moment, run, "unit", FAILED).state is State.RUNNING
    waiting = stage_row(database, run, "unit")
    assert (waiting.state, waiting.tries, waiting.finished_at) == ("queued", 1, None)
    assert end(database, moment, run, "unit", passed()).state is State.PASSED
    done = stage_row(database, run, "unit")
    assert (done.flaky, done.attempt, done.reason) == (True, 2, "passed on retry (flaky)")
    with database.read() as session:
        view = views.run(session, LINKS, run)
        story = stories.run_story(session, run, LINKS)
    assert view is not None and view["flaky"] and view["stages"][1]["flaky"] and view["stages"][1]["tries"] == 1
    assert story is not None and [one.name for one in story.flaky] == ["unit"]


def test_a_run_says_why_it_failed_although_another_stage_ended_last(database: Database, moment: datetime) -> None:
    run = run_of(database, moment, [planned("unit"), planned("lint")])
    end(database, moment, run, "unit", FAILED)
    assert end(database, moment, run, "lint", passed("clean")).state is State.FAILED
    row = run_row(database, run)
    assert (row.reason, row.code) == ("exited with 1", "tests_failed")


def test_a_failed_stage_runs_again_in_the_same_run(database: Database, moment: datetime) -> None:
    run = run_of(database, moment, [planned("build"), planned("unit", "build"), planned("ci", "unit")])
    end(database, moment, run, "build", passed())
    end(database, moment, run, "unit", FAILED)
    assert (run_row(database, run).state, stage_row(database, run, "ci").state) == ("failed", "skipped")
    with database.begin() as session:
        runs.again(session, run, (), at=moment)
    row = run_row(database, run)
    assert (row.state, row.reason, row.code, row.finished_at) == ("running", "", "", None)
    assert claim(database, run, "build") is None and claim(database, run, "ci") is None
    end(database, moment, run, "unit", passed())
    assert end(database, moment, run, "ci", passed()).state is State.PASSED
    assert not stage_row(database, run, "unit").flaky and stage_row(database, run, "unit").tries == 0


@pytest.mark.parametrize("state", [State.FAILED, State.ERROR])
def test_a_run_passes_without_a_stage_that_may_fail(database: Database, moment: datetime, state: State) -> None:
    run = run_of(database, moment, [planned("scan", allow_failure=True), planned("ci", "scan")])
    end(database, moment, run, "scan", Outcome(state=state, sentence="3 findings", code="tests_failed"))
    assert end(database, moment, run, "ci", passed()).state is State.PASSED
    row = run_row(database, run)
    assert (row.state, row.reason, row.code) == ("passed", "", "")
    assert stage_row(database, run, "scan").state == state
