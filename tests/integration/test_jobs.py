"""Jobs on real databases: claimed once, fenced, reaped, never lost."""

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import select, text, update

from pipeline.errors import StaleFence
from store import jobs
from store.jobs import JobKind
from store.schema import JobRow, LeaseRow
from store.session import Database, now


def add(database: Database, moment: datetime, ref_id: int = 1, delay: float = 0.0) -> int:
    with database.begin() as session:
        jobs.add(session, JobKind.STAGE, ref_id, at=moment, delay=delay)
        return session.scalars(select(JobRow.id).where(JobRow.ref_id == ref_id)).one()


def claim(database: Database, job_id: int, owner: str = "me") -> jobs.Claim | None:
    with database.begin() as session:
        return jobs.claim(session, job_id, owner)


def lapse(database: Database, job_id: int) -> None:
    with database.begin() as session:
        session.execute(update(JobRow).where(JobRow.id == job_id).values(lease_until=now() - 1))


def test_a_job_is_claimed_once(database: Database, moment: datetime) -> None:
    job = add(database, moment)
    first = claim(database, job)
    assert first is not None and first.fence == 1 and first.attempt == 1
    assert claim(database, job, "other") is None


def test_a_lapsed_lease_is_taken_over_and_the_old_holder_writes_no_more(database: Database, moment: datetime) -> None:
    job = add(database, moment)
    old = claim(database, job)
    assert old is not None
    lapse(database, job)
    new = claim(database, job, "other")
    assert new is not None and new.fence == old.fence + 1
    for deed in (jobs.renew, jobs.finish, lambda session, held: jobs.put_back(session, held, delay=0)):
        with pytest.raises(StaleFence), database.begin() as session:
            deed(session, old)
    with database.begin() as session:
        jobs.finish(session, new)


def test_a_refused_fence_undoes_the_rest_of_its_transaction(database: Database, moment: datetime) -> None:
    job = add(database, moment)
    old = claim(database, job)
    assert old is not None
    lapse(database, job)
    claim(database, job, "other")
    with pytest.raises(StaleFence), database.begin() as session:
        jobs.add(session, JobKind.STAGE, 77, at=moment)
        jobs.finish(session, old)
    with database.read() as session:
        assert session.scalar(select(JobRow.id).where(JobRow.ref_id == 77)) is None


def test_adding_again_changes_nothing_until_the_job_has_ended(database: Database, moment: datetime) -> None:
    job = add(database, moment)
    held = claim(database, job)
    assert held is not None
    assert add(database, moment) == job
    assert claim(database, job) is None
    with database.begin() as session:
        jobs.finish(session, held)
    assert add(database, moment) == job
    again = claim(database, job)
    assert again is not None and again.attempt == 1 and again.fence == 2


def test_a_job_put_back_waits_its_delay(database: Database, moment: datetime) -> None:
    job = add(database, moment)
    held = claim(database, job)
    assert held is not None
    with database.begin() as session:
        jobs.put_back(session, held, delay=0.2, counts=False)
    assert claim(database, job) is None
    time.sleep(0.25)
    again = claim(database, job)
    assert again is not None and again.attempt == 1


def test_due_jobs_are_sent_once_and_again_when_the_queue_lost_them(database: Database, moment: datetime) -> None:
    job = add(database, moment)
    with database.begin() as session:
        waiting = jobs.due(session)
        assert [one.id for one in waiting] == [job]
        jobs.sent(session, waiting)
        assert jobs.due(session) == []
        session.execute(update(JobRow).values(sent_at=now() - jobs.RESEND_SECONDS - 1))
        assert [one.id for one in jobs.due(session)] == [job]


def test_a_job_that_waits_anew_is_not_marked_by_its_earlier_sending(database: Database, moment: datetime) -> None:
    job = add(database, moment)
    with database.read() as session:
        waiting = jobs.due(session)
    held = claim(database, job)
    assert held is not None
    with database.begin() as session:
        jobs.put_back(session, held, delay=0, counts=False)
    with database.begin() as session:
        jobs.sent(session, waiting)
        assert [(one.id, one.fence) for one in jobs.due(session)] == [(job, held.fence)]


def test_a_job_that_rests_waits_its_rest_when_it_is_added_again(database: Database, moment: datetime) -> None:
    job = add(database, moment)
    held = claim(database, job)
    assert held is not None
    with database.begin() as session:
        jobs.finish(session, held, rest=30)
    add(database, moment)
    assert claim(database, job) is None
    with database.read() as session:
        soon = jobs.seconds_until_due(session)
    assert soon is not None and 25 < soon <= 30


def test_what_two_transactions_add_at_once_is_one_job(database_url: str, moment: datetime) -> None:
    first, second = Database(database_url), Database(database_url)
    with ThreadPoolExecutor(1) as pool:
        with first.begin() as session:
            jobs.add(session, JobKind.MEND, 1, at=moment)
            late = pool.submit(add_one, second, moment)
            with pytest.raises(TimeoutError):
                late.result(0.5)
        late.result(10)
    with first.read() as session:
        assert session.scalars(select(JobRow.state)).all() == ["queued"]
    first.dispose()
    second.dispose()


def add_one(database: Database, moment: datetime) -> None:
    """Ask for the same job in a transaction of its own."""
    with database.begin() as session:
        jobs.add(session, JobKind.MEND, 1, at=moment)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_adding_never_waits_for_a_worker_that_is_ending_the_job(database: Database, moment: datetime) -> None:
    job = add(database, moment)
    held = claim(database, job)
    assert held is not None
    with database.begin() as ending:
        jobs.finish(ending, held)
        with database.begin() as session:
            session.execute(text("SET LOCAL lock_timeout = '1s'"))
            jobs.add(session, JobKind.STAGE, 1, at=moment)


def test_reaping_puts_the_jobs_of_the_dead_back(database: Database, moment: datetime) -> None:
    job = add(database, moment)
    claim(database, job)
    with database.begin() as session:
        assert jobs.reap(session) == 0
    lapse(database, job)
    with database.begin() as session:
        assert jobs.reap(session) == 1
    again = claim(database, job, "other")
    assert again is not None and again.attempt == 2


def test_the_clock_is_told_when_the_next_thing_is_due(database: Database, moment: datetime) -> None:
    with database.read() as session:
        assert jobs.seconds_until_due(session) is None
    add(database, moment, delay=30)
    with database.read() as session:
        soon = jobs.seconds_until_due(session)
    assert soon is not None and 25 < soon <= 30


def test_F23_no_update_is_lost_among_eight_processes(database_url: str) -> None:
    database = Database(database_url)
    with database.begin() as session:
        session.add(LeaseRow(name="count", owner="", fence=0, until=0.0))
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        pool.map(count_up, [(database_url, 25)] * 8)
    with database.read() as session:
        assert session.scalar(select(LeaseRow.fence)) == 200
    database.engine.dispose()


def count_up(job: tuple[str, int]) -> None:
    """Read, then write, many times: lost updates show as a count that is too small."""
    url, times = job
    database = Database(url)
    for _ in range(times):
        with database.begin() as session:
            row = session.get_one(LeaseRow, "count", with_for_update=True)
            row.fence += 1
    database.engine.dispose()


def test_many_claimants_of_one_job_make_one_holder(database: Database, database_url: str, moment: datetime) -> None:
    job = add(database, moment)
    with multiprocessing.get_context("spawn").Pool(6) as pool:
        taken = pool.map(try_claim, [(database_url, job)] * 6)
    assert sum(taken) == 1


def try_claim(job: tuple[str, int]) -> bool:
    """Try to claim a job in a process of its own."""
    database = Database(job[0])
    with database.begin() as session:
        return jobs.claim(session, job[1], "one of many") is not None


def test_looks_at_environments_and_stages_never_wait_for_each_other(database: Database, moment: datetime) -> None:
    with database.begin() as session:
        for number in range(40):
            jobs.add(session, JobKind.MEND, number, at=moment)
        jobs.add(session, JobKind.STAGE, 1, at=moment)
    with database.begin() as session:
        due = jobs.due(session)
    assert sorted(one.queue for one in due) == ["stages", *["upkeep"] * 40]
