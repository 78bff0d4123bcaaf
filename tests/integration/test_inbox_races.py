"""Those who take news in at the same moment: a webhook, a look, a worker that ends a stage. Nobody sees half of it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from control.found import take_in_seen
from control.intake import Answer
from pipeline.outcome import passed
from pipeline.push import Push
from store import jobs, projects, runs, stage_work
from store.races import settled
from store.schema import JobRow, RunRow, StageRow
from store.session import Database
from tests.integration.test_inbox_order import MAIN, ZERO, A, B, C, Story
from workers import stage
from workers.context import Context
from workers.stage import Done

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
def story(database: Database, moment: datetime) -> Iterator[Story]:
    yield Story(database, moment)


def look(story: Story, session: Session, before: str, after: str) -> None:
    project = projects.get(session, story.project.id)
    push = Push(ref=MAIN, before=before, after=after)
    take_in_seen(session, project, push, look="1.1", at=story.now, channel="#deploys")


def while_another_writes(story: Story, first: Callable[[Session], None], second: Callable[[], object]) -> None:
    """Have `second` begin while `first` has written and not committed, and end both."""
    written, go = threading.Event(), threading.Event()

    def hold() -> None:
        with story.database.begin() as session:
            first(session)
            written.set()
            assert go.wait(10)

    with ThreadPoolExecutor(2) as pool:
        holding = pool.submit(hold)
        assert written.wait(10)
        other = pool.submit(second)
        try:
            until_it_waits(story.database, other.done)
        finally:
            go.set()
        holding.result(10)
        other.result(10)


def until_it_waits(database: Database, is_done: Callable[[], bool]) -> None:
    """Return when somebody waits for a lock, or had no need to; SQLite lets nobody begin to write meanwhile."""
    if database.engine.dialect.name == "sqlite":
        return
    for _ in range(500):
        with database.read() as session:
            if is_done() or session.scalar(text(WAITING)):
                return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


def end_all(story: Story) -> None:
    with story.database.begin() as session:
        session.execute(update(RunRow).values(state="passed", finished_at=story.now, superseded_by=None))
        session.execute(update(StageRow).values(state="passed", finished_at=story.now))
        session.execute(update(JobRow).values(state="done"))


def test_a_webhook_and_a_look_that_see_the_same_move_back_make_one_run(story: Story) -> None:
    story.push(ZERO, A)
    story.push(A, B)
    end_all(story)
    while_another_writes(story, lambda session: look(story, session, B, A), lambda: story.push(B, A))
    assert list(story.states().values()).count("queued") == 1


def test_a_webhooks_run_takes_the_place_of_one_that_a_look_is_just_making(story: Story) -> None:
    story.push(ZERO, A)
    while_another_writes(story, lambda session: look(story, session, A, B), lambda: story.push(B, C))
    assert story.states() == {1: "superseded", 2: "superseded", 3: "queued"}
    assert story.told() == {MAIN: C}


def test_a_push_that_stops_a_run_and_the_end_of_that_runs_source_stage_do_not_wait_for_each_other(
    story: Story,
) -> None:
    story.rules(supersede="running")
    story.push(ZERO, A)
    claim = claimed(story.database)
    with story.database.begin() as session:
        runs.begin(session, claim.ref_id, at=story.now)
        work = stage_work.work(session, claim.ref_id)
    known = {"database": story.database, "now": lambda: story.now, "channel": "#deploys", "leaving": threading.Event()}
    ctx = cast(Context, SimpleNamespace(**known))
    pushed: list[Future[Answer]] = []

    def record(session: Session) -> None:
        pushed.append(pool.submit(story.push, A, B))
        until_it_waits(story.database, pushed[0].done)
        projects.set_rules(session, work.project_id, {"supersede": "never"})

    with ThreadPoolExecutor(1) as pool:
        stage._end(ctx, claim, work, Done(outcome=passed("1 stage"), record=record))
    assert pushed[0].result(10).code == "accepted"
    assert story.states()[2] == "queued"


def claimed(database: Database) -> jobs.Claim:
    with database.begin() as session:
        job_id = session.scalars(select(JobRow.id).where(JobRow.kind == "stage")).one()
        claim = jobs.claim(session, job_id, "worker")
        assert claim is not None
        return claim


# SQLite has one writer at a time.
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_transactions_that_wait_for_each_other_are_settled_by_doing_one_again(story: Story) -> None:
    with story.database.begin() as session:
        other = projects.add(session, replace(story.project, name="other"), at=story.now)
    both, one_is_done, tries = threading.Barrier(2), threading.Event(), []

    def lock(session: Session, first: int, second: int) -> None:
        tries.append(first)
        if tries.count(first) > 1:
            assert one_is_done.wait(10)
        projects.current(session, {first})
        if tries.count(first) == 1:
            both.wait(10)
        projects.current(session, {second})

    def work(first: int, second: int) -> None:
        settled(story.database, lambda session: lock(session, first, second))
        one_is_done.set()

    with ThreadPoolExecutor(2) as pool:
        one, two = story.project.id, other.id
        for future in (pool.submit(work, one, two), pool.submit(work, two, one)):
            future.result(20)
    assert len(tries) == 3
