"""Runs that are asked to stop, by a person or for a newer run."""

from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.errors import Cancelled, StageFailed, Unavailable
from pipeline.outcome import State
from pipeline.stage import Kind, PlannedStage
from store import jobs, runs, stops
from store.schema import RunRow, StageRow
from store.session import Database
from tests.rollout_world import World
from workers.heartbeat import Heartbeat

NEWER = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432"


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


def give_way(world: World, run: int) -> int:
    """Ask a run to stop for a newer one, and return that."""
    newer, _ = world.push(NEWER)
    with world.database.begin() as session:
        row = session.get_one(RunRow, run)
        row.cancel_requested, row.superseded_by = True, newer
    return newer


def run_of(world: World, run: int) -> RunRow:
    with world.database.read() as session:
        return session.get_one(RunRow, run)


def test_a_run_asked_to_give_way_ends_as_superseded_and_says_by_what(world: World) -> None:
    run, stage = world.push("a" * 40)
    newer = give_way(world, run)
    assert world.stage(stage).state == "superseded"
    ended = run_of(world, run)
    assert (ended.state, ended.code) == ("superseded", "superseded")
    assert ended.reason == f"`9f8e7d6` is newer and is running as r{newer}"
    assert world.live() == {} and world.states() == {}


def test_a_run_that_has_begun_to_deploy_is_never_stopped_for_a_newer_one(world: World) -> None:
    run, stage = world.push(world.commit("one"))
    world.engine.faults = [Unavailable("the engine hiccups", code="engine_error")]
    assert world.go(jobs.JobKind.STAGE, stage) == "queued"
    give_way(world, run)
    assert world.stage(stage).state == "passed"
    ended = run_of(world, run)
    assert (ended.state, ended.superseded_by, ended.reason) == ("passed", None, "") and len(world.live()) == 1


def test_a_run_that_fails_before_it_can_be_stopped_says_why_it_failed(world: World) -> None:
    run, stage = world.push(world.commit("one"))
    world.engine.faults = [Unavailable("the engine hiccups", code="engine_error")]
    assert world.go(jobs.JobKind.STAGE, stage) == "queued"
    give_way(world, run)
    world.engine.faults = [StageFailed("it cannot start", code="cannot_start")]
    assert world.stage(stage).state == "failed"
    ended = run_of(world, run)
    assert (ended.state, ended.superseded_by, ended.reason) == ("failed", None, "it cannot start")


def test_a_person_stops_a_run_that_has_begun_to_deploy(world: World) -> None:
    run, stage = world.push(world.commit("one"))
    world.engine.faults = [Unavailable("the engine hiccups", code="engine_error")]
    assert world.go(jobs.JobKind.STAGE, stage) == "queued"
    with world.database.begin() as session:
        runs.request_cancel(session, run, "by @bo")
    assert world.stage(stage).reason == "by @bo"
    assert run_of(world, run).state == "cancelled" and set(world.states().values()) == {"superseded"}


@pytest.mark.parametrize(("newer", "state"), [(True, State.SUPERSEDED), (False, State.CANCELLED)])
def test_a_stage_that_is_stopped_in_the_middle_ends_by_who_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, newer: bool, state: State
) -> None:
    run, stage = world.push("a" * 40)
    with world.database.begin() as session:
        runs.plan(session, run, [PlannedStage(name="unit", kind=Kind.TEST, spec={"in": "web", "run": ["true"]})])
        unit = session.scalars(select(StageRow.id).where(StageRow.run_id == run, StageRow.name == "unit")).one()
        jobs.add(session, jobs.JobKind.STAGE, unit, at=session.get_one(RunRow, run).created_at)

    def asked_meanwhile(*_: object, **__: object) -> int:
        if newer:
            give_way(world, run)
        else:
            with world.database.begin() as session:
                runs.request_cancel(session, run, "by @bo")
        raise Cancelled

    monkeypatch.setattr(world.engine, "run", asked_meanwhile)
    assert world.stage(unit).state == state
    assert world.stage(stage).state in {state, "skipped"}
    assert run_of(world, run).state == state


def test_a_stage_whose_run_has_ended_meanwhile_finishes_quietly(world: World) -> None:
    run, stage = world.push("a" * 40)
    with world.database.begin() as session:
        row = session.get_one(RunRow, run)
        row.state = State.SUPERSEDED
    assert world.go(jobs.JobKind.STAGE, stage) == "done"
    assert run_of(world, run).state == "superseded"


def test_a_worker_hears_at_its_next_beat_that_its_run_is_to_stop(world: World) -> None:
    run, stage = world.push("a" * 40)
    heart = Heartbeat(world.ctx, jobs.Claim(id=1, kind=jobs.JobKind.STAGE, ref_id=stage, fence=1, attempt=1))
    heart._look()
    assert not world.ctx.stopping.is_set()
    give_way(world, run)
    heart._look()
    assert world.ctx.stopping.is_set()


def test_nobody_is_asked_to_stop_by_a_run_that_is_not_there(world: World) -> None:
    with world.database.read() as session:
        assert stops.asked(session, 4711) is None
