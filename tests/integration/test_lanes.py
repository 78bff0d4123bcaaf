"""Concurrency groups on real databases: one at a time, in order, whoever dies, and in nobody else's way."""

import itertools
import multiprocessing
import time
from datetime import datetime

from sqlalchemy import select, update

from pipeline.outcome import Outcome, State, passed
from pipeline.push import Push
from store import jobs, projects, runs, views
from store.jobs import MOST_OUT, JobKind
from store.schema import JobRow, RunRow
from store.session import Database, now
from tests.integration.test_graph import LINKS, claim, end, planned, run_of, stage_row

ONE = "1:ci"


def add(database: Database, moment: datetime, ref_id: int, lane: str = ONE) -> int:
    with database.begin() as session:
        jobs.add(session, JobKind.STAGE, ref_id, at=moment, lane=lane)
        return session.scalars(select(JobRow.id).where(JobRow.ref_id == ref_id)).one()


def take(database: Database, job_id: int) -> jobs.Claim | None:
    with database.begin() as session:
        return jobs.claim(session, job_id, "me")


def due(database: Database) -> list[int]:
    with database.begin() as session:
        found = jobs.due(session)
        jobs.sent(session, found)
        return [one.id for one in found]


def test_the_first_of_a_lane_goes_alone_and_the_next_when_it_is_done(database: Database, moment: datetime) -> None:
    first, second, other = (add(database, moment, number) for number in (1, 2, 3))
    assert due(database) == [first]
    assert take(database, second) is None
    held = take(database, first)
    assert held is not None and take(database, second) is None and due(database) == []
    with database.begin() as session:
        jobs.finish(session, held)
    assert due(database) == [second]
    assert take(database, other) is None and take(database, second) is not None


def test_a_job_that_is_put_back_keeps_its_place_in_the_lane(database: Database, moment: datetime) -> None:
    first, second = add(database, moment, 1), add(database, moment, 2)
    held = take(database, first)
    assert held is not None
    with database.begin() as session:
        jobs.put_back(session, held, delay=3600)
    assert take(database, second) is None and due(database) == []


def test_a_dead_holder_leaves_the_lane_with_its_lease(database: Database, moment: datetime) -> None:
    first, second = add(database, moment, 1), add(database, moment, 2)
    assert take(database, first) is not None
    with database.begin() as session:
        session.execute(update(JobRow).where(JobRow.id == first).values(lease_until=now() - 1))
        assert jobs.reap(session) == 1
    again = take(database, first)
    assert again is not None and take(database, second) is None
    with database.begin() as session:
        jobs.finish(session, again)
    assert take(database, second) is not None


def test_an_older_job_that_comes_back_waits_for_who_is_at_work(database: Database, moment: datetime) -> None:
    first, second, third = (add(database, moment, number) for number in (1, 2, 3))
    held = take(database, first)
    assert held is not None
    with database.begin() as session:
        jobs.finish(session, held)
    younger = take(database, second)
    assert younger is not None
    assert add(database, moment, 1) == first
    assert take(database, first) is None
    with database.begin() as session:
        jobs.finish(session, younger)
    assert take(database, third) is None and take(database, first) is not None


def test_fifty_that_wait_in_one_lane_keep_nobody_else_waiting(database: Database, moment: datetime) -> None:
    waiting = [add(database, moment, number) for number in range(50)]
    others = [add(database, moment, 100 + number, lane="") for number in range(MOST_OUT - 1)]
    elsewhere = add(database, moment, 200, lane="2:ci")
    sent = due(database)
    assert sent[0] == waiting[0] and set(sent[1:]) == set(others)
    assert take(database, waiting[0]) is not None
    assert due(database) == [elsewhere]


def test_a_job_that_was_sent_and_lost_its_turn_is_sent_again_when_it_comes(
    database: Database, moment: datetime
) -> None:
    first, second = add(database, moment, 1), add(database, moment, 2)
    with database.begin() as session:
        session.execute(update(JobRow).where(JobRow.id == second).values(sent_at=now()))
    assert take(database, second) is None
    held = take(database, first)
    assert held is not None
    with database.begin() as session:
        jobs.finish(session, held)
    assert due(database) == [second]


def test_the_clock_does_not_hurry_for_what_waits_in_a_lane(database: Database, moment: datetime) -> None:
    first, _ = add(database, moment, 1), add(database, moment, 2)
    assert take(database, first) is not None
    with database.read() as session:
        until = jobs.seconds_until_due(session)
    assert until is not None and until > 1


def _work(url: str, numbers: list[int], spans: "multiprocessing.Queue[tuple[int, float, float]]") -> None:
    database = Database(url)
    left = set(numbers)
    while left:
        for number in sorted(left, reverse=True):
            with database.begin() as session:
                held = jobs.claim(session, number, "one")
                began = time.time()
            if held is None:
                with database.read() as session:
                    if session.scalar(select(JobRow.state).where(JobRow.id == number)) == "done":
                        left.discard(number)
                continue
            with database.begin() as session:
                spans.put((number, began, time.time()))
                jobs.finish(session, held)
            left.discard(number)


def test_many_workers_that_all_grab_at_a_lane_get_it_one_at_a_time_and_in_order(
    database: Database, database_url: str, moment: datetime
) -> None:
    numbers = [add(database, moment, number) for number in range(12)]
    context = multiprocessing.get_context("spawn")
    spans: multiprocessing.Queue[tuple[int, float, float]] = context.Queue()
    workers = [context.Process(target=_work, args=(database_url, numbers, spans)) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = sorted((spans.get(timeout=120) for _ in numbers), key=lambda span: span[1])
    for worker in workers:
        worker.join(timeout=120)
        assert worker.exitcode == 0
    assert [number for number, _, _ in found] == numbers
    assert all(before[2] <= after[1] for before, after in itertools.pairwise(found))


def test_a_stage_says_for_whom_it_waits_and_keeps_the_lane_while_it_is_tried_again(
    database: Database, moment: datetime
) -> None:
    stages = [planned("live", concurrency="ci", retries=1)]
    first, second = (run_of(database, moment, stages, name=name) for name in ("shop", "cart"))
    third = _run_again(database, moment, first)
    assert claim(database, second, "live") is not None, "another project's group of that name is another lane"
    with database.read() as session:
        view = views.run(session, LINKS, third)
    assert view is not None and view["stages"][1]["reason"] == f"waits for r{first} · live (concurrency ci)"
    end(database, moment, first, "live", Outcome(state=State.FAILED, sentence="no", code="tests_failed"))
    assert claim(database, third, "live") is None
    end(database, moment, first, "live", passed())
    assert claim(database, third, "live") is not None


def test_a_stage_that_is_run_again_by_hand_stands_behind_what_has_waited(database: Database, moment: datetime) -> None:
    first = run_of(database, moment, [planned("live", concurrency="ci")])
    end(database, moment, first, "live", Outcome(state=State.FAILED, sentence="no", code="tests_failed"))
    second, third = _run_again(database, moment, first), _run_again(database, moment, first, word="third")
    assert claim(database, second, "live") is not None
    with database.begin() as session:
        runs.again(session, first, (), at=moment)
    with database.begin() as session:
        session.execute(update(JobRow).where(JobRow.state == "running").values(state="done"))
    assert claim(database, first, "live") is None
    assert claim(database, third, "live") is not None
    with database.begin() as session:
        session.execute(update(JobRow).where(JobRow.state == "running").values(state="done"))
    assert claim(database, first, "live") is not None


def test_a_cancelled_run_does_not_wait_for_its_lane_to_end(database: Database, moment: datetime) -> None:
    first = run_of(database, moment, [planned("live", concurrency="ci")])
    second = _run_again(database, moment, first)
    assert claim(database, first, "live") is not None and claim(database, second, "live") is None
    with database.begin() as session:
        runs.request_cancel(session, second, "by ana")
    assert claim(database, second, "live") is not None
    assert stage_row(database, second, "live").state == "queued"


def _run_again(database: Database, moment: datetime, of: int, word: str = "again") -> int:
    """Make another run of the same push, with the same stages."""
    with database.begin() as session:
        row = session.get_one(RunRow, of)
        push = Push(ref=row.ref, before=row.before, after=row.revision)
        asked = runs.Asked(again=word)
        project = projects.get(session, row.project_id)
        run, _ = runs.create(session, project, push, trigger="chat", at=moment, asked=asked)
        runs.plan(session, run, [planned("live", concurrency="ci", retries=1)])
    end(database, moment, run, "source", passed())
    return run
