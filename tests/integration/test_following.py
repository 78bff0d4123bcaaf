"""What follows a stage at once: its worker goes on with the run, unless others have waited for longer."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from pipeline.outcome import passed
from pipeline.stage import Kind, PlannedStage
from store import jobs, runs
from store.following import claim_next
from store.schema import JobRow
from store.session import Database
from tests import factories as make

AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def _run(session: Session, name: str, *planned: PlannedStage) -> int:
    """Make a run of a project of its own whose source stage is done for, and return its number."""
    project = make.project(session, name)
    run = make.run(session, project, state="running", stages=())
    runs.plan(session, run.id, planned)
    runs.start_ready(session, run.id, at=AT)
    return run.id


def _job(session: Session, run: int, stage: str) -> int:
    found = next(one for one in runs.load(session, run).stages if one.name == stage)
    return session.query(JobRow).filter_by(kind="stage", ref_id=found.id).one().id


def _end(session: Session, claim: jobs.Claim) -> jobs.Claim | None:
    jobs.finish(session, claim)
    runs.end(session, claim.ref_id, passed(), at=AT)
    return claim_next(session, claim)


def _test(name: str, *needs: str, concurrency: str = "") -> PlannedStage:
    return PlannedStage(name=name, kind=Kind.TEST, needs=needs, concurrency=concurrency)


def test_the_stage_behind_is_claimed_as_the_one_before_ends_for_the_same_worker(database: Database) -> None:
    with database.begin() as session:
        run = _run(session, "shop", _test("one"), _test("two", "one"), _test("three", "two"))
        first = jobs.claim(session, _job(session, run, "one"), "worker-1")
        assert first is not None
        second = _end(session, first)
        assert second is not None and second.id == _job(session, run, "two")
        assert session.get_one(JobRow, second.id).owner == "worker-1"
        assert second.id not in {one.id for one in jobs.due(session)}


def test_of_several_the_first_is_gone_on_with_and_the_others_are_sent(database: Database) -> None:
    with database.begin() as session:
        run = _run(session, "shop", _test("one"), _test("two", "one"), _test("three", "one"))
        first = jobs.claim(session, _job(session, run, "one"), "worker-1")
        assert first is not None
        second = _end(session, first)
        assert second is not None and second.id == _job(session, run, "two")
        assert [one.id for one in jobs.due(session)] == [_job(session, run, "three")]


def test_work_that_has_waited_for_longer_goes_first(database: Database) -> None:
    with database.begin() as session:
        run = _run(session, "shop", _test("one"), _test("two", "one"))
        first = jobs.claim(session, _job(session, run, "one"), "worker-1")
        other = _run(session, "other", _test("one"))
        assert first is not None
        assert _end(session, first) is None
        assert [one.id for one in jobs.due(session)] == [_job(session, other, "one"), _job(session, run, "two")]


def test_a_look_at_an_environment_waits_elsewhere_and_keeps_no_stage_waiting(database: Database) -> None:
    with database.begin() as session:
        run = _run(session, "shop", _test("one"), _test("two", "one"))
        first = jobs.claim(session, _job(session, run, "one"), "worker-1")
        jobs.add(session, jobs.JobKind.SHOW, 0, at=AT)
        assert first is not None and _end(session, first) is not None


def test_what_waits_in_its_lane_neither_follows_nor_holds_anybody_up(database: Database) -> None:
    with database.begin() as session:
        run = _run(session, "shop", _test("one", concurrency="ci"), _test("two"), _test("three", "two"))
        held = jobs.claim(session, _job(session, run, "one"), "worker-1")
        waiting = runs.load(session, run).stages
        assert held is not None and len(waiting) == 3
        second = jobs.claim(session, _job(session, run, "two"), "worker-2")
        assert second is not None
        third = _end(session, second)
        assert third is not None and third.id == _job(session, run, "three")


def test_after_the_last_stage_nothing_follows(database: Database) -> None:
    with database.begin() as session:
        run = _run(session, "shop", _test("one"))
        only = jobs.claim(session, _job(session, run, "one"), "worker-1")
        assert only is not None and _end(session, only) is None
