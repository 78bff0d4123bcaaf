"""Runs by a schedule, and runs that go on for too long: on real databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from control.deadline import end_overdue
from control.schedule import start_due
from pipeline.spec_trigger import Schedule
from store import schedules
from store.schema import JobRow, MessageRow, RefHeadRow, RunRow, ScheduleRow
from store.session import Database, now
from tests import factories as make

NIGHTLY = Schedule(cron="0 3 * * *", stages=("scan",))
WEEKLY = Schedule(cron="0 4 * * 1", branch="next")


def kept(database: Database, *wanted: Schedule, project: int = 1) -> dict[str, float]:
    with database.begin() as session:
        schedules.keep(session, project, wanted)
        return {row.cron: row.due_at for row in session.scalars(select(ScheduleRow))}


def missed(database: Database, seconds: float = 86_400 * 3) -> None:
    """Let all schedules have been due that long ago."""
    with database.begin() as session:
        session.execute(update(ScheduleRow).values(due_at=now() - seconds))


def start(database: Database, moment: datetime) -> None:
    with database.begin() as session:
        start_due(session, channel="#deploys", at=moment)


def shop(database: Database) -> None:
    """Make a project whose main was pushed, and has moved on without a run since."""
    with database.begin() as session:
        project = make.project(session)
        make.run(session, project, word="old")
        head = {"ref": "refs/heads/main", "revision": make.revision("new"), "candidate": "", "seen_at": make.NOW}
        session.add(RefHeadRow(project_id=project.id, **head))


def made(database: Database) -> list[RunRow]:
    with database.read() as session:
        return list(session.scalars(select(RunRow).where(RunRow.trigger == "schedule").order_by(RunRow.id)))


def test_schedules_are_kept_in_step_with_the_file(database: Database) -> None:
    shop(database)
    first = kept(database, NIGHTLY, WEEKLY)
    assert set(first) == {"0 3 * * *", "0 4 * * 1"}
    again = kept(database, NIGHTLY)
    assert again == {"0 3 * * *": first["0 3 * * *"]}
    assert kept(database) == {}


def test_what_was_missed_runs_once_of_what_the_branch_is_and_with_its_stages(
    database: Database, moment: datetime
) -> None:
    shop(database)
    kept(database, NIGHTLY)
    start(database, moment)
    assert made(database) == []
    missed(database)
    start(database, moment)
    start(database, moment)
    (run,) = made(database)
    assert (run.revision, run.wanted, run.state) == (make.revision("new"), ["scan"], "queued")
    assert (run.reason, run.asked_reason) == ("", "by its schedule, 0 3 * * *")
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(JobRow).where(JobRow.kind == "stage")) == 1
        assert session.scalars(select(MessageRow.ref_id)).all() == [run.id]
        assert (session.scalar(select(ScheduleRow.due_at - now())) or 0) > 0


def test_two_clocks_that_look_at_the_same_moment_start_one_run(database: Database, moment: datetime) -> None:
    shop(database)
    kept(database, NIGHTLY)
    for round_ in range(5):
        missed(database, 86_400 * (round_ + 1))
        before = len(made(database))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: start(database, moment), range(4)))
        assert len(made(database)) - before == 1


def test_a_branch_that_was_never_pushed_starts_nothing_and_stops_nothing(database: Database, moment: datetime) -> None:
    shop(database)
    kept(database, WEEKLY, NIGHTLY)
    missed(database)
    start(database, moment)
    assert [run.ref for run in made(database)] == ["refs/heads/main"]


def test_F57_a_run_that_goes_on_for_too_long_is_asked_to_stop(database: Database, moment: datetime) -> None:
    with database.begin() as session:
        project = make.project(session)
        for key, began in (("long", 3700), ("short", 3500)):
            make.run(session, project, {"unit": "running"}, state="running", key=key, began=began)
        make.run(session, project, key="done", began=9000)
        waiting = make.run(session, project, state="queued", key="waits", began=9000).id
    with database.begin() as session:
        end_overdue(session, 0, channel="#deploys", at=make.NOW)
        end_overdue(session, 3600, channel="#deploys", at=make.NOW)
        asked = session.scalars(select(RunRow.id).where(RunRow.cancel_requested)).all()
        assert asked == [1]
        assert session.get_one(RunRow, 1).reason == "it has gone on for 1 h, longer than any run may"
        end_overdue(session, 3600, channel="#deploys", at=make.NOW + timedelta(days=1))
        assert not session.get_one(RunRow, waiting).cancel_requested
