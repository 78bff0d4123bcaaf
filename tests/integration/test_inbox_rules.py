"""The default branch's rules at the door: what they refuse, and what they cannot know yet."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import update

from control.intake import take_in
from pipeline.push import Push
from store import projects
from store.deliveries import NewDelivery
from store.schema import RunRow
from store.session import Database
from tests.integration.test_inbox_order import MAIN, ZERO, A, B, Story

RELEASE = "refs/heads/release/1"


@pytest.fixture
def story(database: Database, moment: datetime) -> Iterator[Story]:
    made = Story(database, moment)
    made.rules(push={"branches": ["main"]}, tag={"patterns": []})
    yield made


def test_nothing_is_refused_while_newer_rules_wait_to_be_read(story: Story) -> None:
    story.push(A, B)
    assert story.push(ZERO, B, RELEASE).code == "accepted"
    assert story.push(ZERO, B, "refs/tags/v1").code == "accepted"
    with story.database.begin() as session:
        session.execute(update(RunRow).where(RunRow.ref == MAIN).values(config={}))
    assert story.push(ZERO, B, "refs/heads/release/2").code == "ignored_branch"


def test_rules_that_will_never_be_read_are_not_waited_for(story: Story) -> None:
    story.push(A, B)
    with story.database.begin() as session:
        session.execute(update(RunRow).values(state="failed", finished_at=story.now))
    assert story.push(ZERO, B, RELEASE).code == "ignored_branch"


def test_what_a_person_runs_leaves_no_rules_to_wait_for(story: Story) -> None:
    story.push(A, B)
    with story.database.begin() as session:
        session.execute(update(RunRow).values(trigger="chat"))
    assert story.push(ZERO, B, RELEASE).code == "ignored_branch"


@pytest.mark.parametrize("refs", [(MAIN, RELEASE), (RELEASE, MAIN)])
def test_a_branch_that_comes_with_the_rule_that_allows_it_is_not_refused(story: Story, refs: tuple[str, str]) -> None:
    new = NewDelivery(forge="git", key="k", event="push", headers={}, body=b"", at=story.now)
    with story.database.begin() as session:
        project = projects.get(session, story.project.id)
        events = [Push(ref=ref, before=ZERO, after=B) for ref in refs]
        assert take_in(session, project, new, events, channel="#deploys").runs == (1, 2)
