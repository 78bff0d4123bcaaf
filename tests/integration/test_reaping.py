"""What is told to stop stops, whoever holds it; what is left over is taken away."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import select, update

from control.asking import Ask
from control.cancel import cancel
from pipeline.containers import ContainerSpec, labels
from pipeline.errors import StaleFence
from pipeline.intents import Intent, Verb
from pipeline.leftovers import Owned, Thing
from pipeline.outcome import State
from store import ends, jobs, runs
from store.schema import DeploymentRow, InstanceRow, JobRow, RunRow, StageRow
from store.session import Database, now
from tests.conftest import MOMENT
from tests.rollout_world import World
from workers.clock import Clock
from workers.reap import end_stopped


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


def run_of(world: World, run: int) -> RunRow:
    with world.database.read() as session:
        return session.get_one(RunRow, run)


def ask_to_stop(world: World, run: int) -> str:
    with world.database.begin() as session:
        ask = Ask(session=session, at=MOMENT, actor="ana@example.test", channel="#deploys")
        return cancel(ask, Intent(verb=Verb.CANCEL, id=f"r{run}")).text


def reap(world: World) -> str:
    with world.database.begin() as session:
        jobs.add(session, jobs.JobKind.REAP, 0, at=MOMENT)
    return world.go(jobs.JobKind.REAP, 0)


def take(world: World, stage: int, *, seen: float = 60.0) -> jobs.Claim:
    """Let somebody be at work on a stage whose run was seen to be stopped so many seconds ago."""
    with world.database.begin() as session:
        session.execute(update(JobRow).values(not_before=0.0))
        number = session.scalars(select(JobRow.id).where(JobRow.kind == "stage", JobRow.ref_id == stage)).one()
        claim = jobs.claim(session, number, "somebody")
        row = session.get_one(StageRow, stage)
        row.state, row.kind = State.RUNNING, "test"
        session.flush()
        session.execute(update(RunRow).where(RunRow.id == row.run_id).values(stop_seen=now() - seen))
    assert claim is not None
    return claim


def container(world: World, name: str, run: int, stage: str) -> None:
    marks = labels(world.ctx.home, run=f"r{run}", stage=stage)
    world.engine.start(ContainerSpec(name=name, image="x", labels=marks))


def test_a_run_that_only_waits_is_cancelled_at_once(world: World) -> None:
    run, stage = world.push("a" * 40)
    ask_to_stop(world, run)
    assert run_of(world, run).state == "cancelled"
    with world.database.read() as session:
        job = session.scalars(select(JobRow).where(JobRow.kind == "stage", JobRow.ref_id == stage)).one()
        assert job.state == "done"


def test_a_run_that_goes_on_with_nothing_left_to_do_ends_when_it_is_cancelled(world: World) -> None:
    run, _ = world.push("a" * 40)
    with world.database.begin() as session:
        session.execute(update(StageRow).values(state="failed", reason="exited with 1", code="tests_failed"))
        session.execute(update(RunRow).values(state="running"))
        session.execute(update(JobRow).values(state="done"))
    ask_to_stop(world, run)
    row = run_of(world, run)
    assert (row.state, row.reason, row.code) == ("failed", "exited with 1", "tests_failed")
    assert row.finished_at is not None


def test_a_run_at_work_is_not_called_cancelled_before_it_has_stopped(world: World) -> None:
    run, stage = world.push("a" * 40)
    take(world, stage, seen=0.0)
    ask_to_stop(world, run)
    reap(world)
    assert run_of(world, run).state == "running"


def test_G18_neither_the_reaper_nor_a_job_that_got_out_begins_what_nobody_approved(world: World) -> None:
    run, stage = world.push("a" * 40)
    with world.database.begin() as session:
        session.execute(update(RunRow).values(trusted=False, state="waiting"))
    assert reap(world) == "done"
    # As if the clock had sent it all the same: the worker that has it in its hands looks for itself.
    assert world.go(jobs.JobKind.STAGE, stage) == "queued"
    assert run_of(world, run).state == "waiting"
    with world.database.read() as session:
        assert session.get_one(StageRow, stage).state == "queued"
        assert stage not in [one.id for one in jobs.due(session)]


def test_F19_a_run_that_does_not_stop_is_ended_whoever_holds_it(world: World) -> None:
    run, stage = world.push("a" * 40)
    claim = take(world, stage)
    container(world, "hangs", run, "staging")
    ask_to_stop(world, run)
    assert reap(world) == "done"
    assert (run_of(world, run).state, world.engine.removed) == ("cancelled", ["hangs"])
    with world.database.begin() as session, pytest.raises(StaleFence):
        jobs.renew(session, claim)


def test_F6_what_a_stage_that_has_ended_left_behind_is_taken_away_and_the_rest_stays(world: World) -> None:
    ended, _ = world.push("a" * 40)
    ask_to_stop(world, ended)
    goes_on, _ = world.push("b" * 40, branch="other")
    container(world, "left", ended, "staging")
    container(world, "needed", goes_on, "staging")
    marks = labels(world.ctx.home, run=f"r{ended}")
    world.engine.things = [
        Owned(kind=kind, id=kind, name=kind, age=99.0, labels=marks) for kind in (Thing.NETWORK, Thing.VOLUME)
    ]
    reap(world)
    assert set(world.engine.there) == {"needed"} and world.engine.things == []
    reap(world)
    assert set(world.engine.there) == {"needed"}


def test_F56_two_reapers_at_once_are_in_nobodys_way(world: World) -> None:
    run, stage = world.push("a" * 40)
    take(world, stage)
    container(world, "hangs", run, "staging")
    ask_to_stop(world, run)

    def another() -> None:
        world.engine.looking = lambda: None
        end_stopped(world.ctx)

    world.engine.looking = another
    end_stopped(world.ctx)
    assert (run_of(world, run).state, world.engine.removed) == ("cancelled", ["hangs"])


def test_a_deployment_is_called_off_until_it_serves(world: World) -> None:
    run, stage = world.push(world.commit("one"))
    stopping = threading.Event()
    object.__setattr__(world.ctx, "stopping", stopping)

    def asked_while_it_starts(*_: object) -> str:
        if not stopping.is_set():
            with world.database.begin() as session:
                runs.request_cancel(session, run, "by @bo")
            stopping.set()
        return "starts"

    object.__setattr__(world.ctx, "probe", asked_while_it_starts)
    assert world.stage(stage).state == "cancelled"
    assert (run_of(world, run).state, world.live(), world.engine.there) == ("cancelled", {}, {})
    assert set(world.states().values()) == {"superseded"}
    with world.database.read() as session:
        assert set(session.scalars(select(InstanceRow.state))) == {"gone"}


def test_a_deployment_that_serves_already_is_finished_although_its_run_was_cancelled(world: World) -> None:
    run, stage = world.push(world.commit("one"))
    world.proxy.faults = [RuntimeError("the worker dies between switch and end")]
    world.go(jobs.JobKind.STAGE, stage)
    assert world.live()
    with world.database.begin() as session:
        runs.request_cancel(session, run, "by @bo")
    assert world.stage(stage).state == "passed"
    with world.database.read() as session:
        assert session.scalars(select(DeploymentRow.state)).one() == "deployed"


class Bell:
    def wait(self, timeout: float) -> bool:
        return True


class Queues:
    def send(self, handed: object) -> None:
        """Lose it."""


def reaper(world: World) -> str | None:
    with world.database.read() as session:
        return session.scalar(select(JobRow.state).where(JobRow.kind == jobs.JobKind.REAP))


def test_the_clock_has_the_engine_looked_at_when_it_starts_and_at_once_when_a_run_does_not_stop(world: World) -> None:
    times = iter([100.0, 102.0, 104.0])
    clock = Clock(
        database=world.database,
        queues=Queues(),  # type: ignore[arg-type]
        bell=Bell(),
        monotonic=lambda: next(times),
    )
    clock.tick()
    assert reaper(world) == "queued"
    assert reap(world) == "done"
    clock.tick()
    assert reaper(world) == "done", "half a minute has not passed"
    run, stage = world.push("a" * 40)
    take(world, stage)
    ask_to_stop(world, run)
    clock.tick()
    assert reaper(world) == "queued"


def test_a_run_that_goes_on_after_all_is_not_remembered_as_slow_to_stop(world: World) -> None:
    run, stage = world.push("a" * 40)
    take(world, stage)
    with world.database.begin() as session:
        assert ends.stopped(session) == []
    assert run_of(world, run).stop_seen is None
