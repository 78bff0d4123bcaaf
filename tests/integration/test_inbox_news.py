"""Late and doubled news of refs: what it makes of what was told, and of runs that stood aside."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import update

from store.schema import RunRow
from store.session import Database
from tests.integration.test_inbox_order import MAIN, ZERO, A, B, Story


@pytest.fixture
def story(database: Database, moment: datetime) -> Iterator[Story]:
    yield Story(database, moment)


def test_late_news_of_the_newest_run_does_not_undo_what_was_told_since(story: Story) -> None:
    story.push(ZERO, A)
    assert story.push(A, B, message="Words [skip ci]").code == "skip_requested"
    late = story.push(ZERO, A)
    assert (late.code, late.runs) == ("duplicate", (1,))
    assert story.told() == {MAIN: B}


def test_a_move_back_to_the_newest_runs_commit_is_told(story: Story) -> None:
    story.push(ZERO, A)
    story.push(A, B, message="Words [skip ci]")
    assert story.push(B, A).runs == (1,)
    assert story.told() == {MAIN: A}


def test_W9_a_move_back_that_is_played_again_is_not_told(story: Story) -> None:
    story.push(ZERO, A)
    back: dict[str, Any] = {"repository": {"full_name": "acme/shop"}}
    for _ in range(2):
        story.push(A, B, message="Words [skip ci]")
        story.push(B, A, **back)
    assert story.told() == {MAIN: B}


def test_a_run_that_stood_aside_for_nobody_has_built_nothing_and_its_commit_runs_again(story: Story) -> None:
    story.push(ZERO, A)
    aside = {"state": "superseded", "superseded_by": None, "finished_at": story.now}
    with story.database.begin() as session:
        session.execute(update(RunRow).values(aside))
    story.push(A, B, message="Words [skip ci]")
    again = story.push(B, A)
    assert (again.code, again.runs) == ("accepted", (2,))
