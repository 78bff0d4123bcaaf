"""A commit that asks for no run says nothing of those below it: real git, both databases, the stage that decides."""

import dataclasses
from pathlib import Path

import pytest

from store import stops
from store.session import Database
from tests import fakes
from tests.integration.test_wanted import Hearing
from tests.parts import need


@pytest.fixture
def world(database: Database, tmp_path: Path) -> Hearing:
    need("git")
    return Hearing(database, tmp_path)


def test_a_commit_that_asks_for_no_run_keeps_no_older_one_from_being_built(world: Hearing) -> None:
    base = world.commit_files("app.py")
    world.hear(base)
    code = world.commit_files("app.py", parent=base)
    waiting = world.made(code)
    tip = world.commit_files("VERSION", parent=code, message="Version 2 [skip ci]")
    world.start(waiting)
    newer = world.run(waiting).superseded_by or 0
    assert world.run(newer).revision == tip
    world.start(newer)
    assert world.run(newer).state == "running", "nothing else holds what app.py is now"


def test_a_commit_below_one_that_was_skipped_already_is_built_itself(world: Hearing) -> None:
    base = world.commit_files("app.py")
    world.hear(base)
    code = world.commit_files("app.py", parent=base)
    waiting = world.made(code)
    tip = world.commit_files("VERSION", parent=code, message="Version 2 [skip ci]")
    assert world.hear(tip, trigger="sweep").code == "skip_requested"
    world.start(waiting)
    run = world.run(waiting)
    assert (run.state, run.revision, run.superseded_by) == ("running", code, None)


def test_a_commit_that_is_forced_away_is_not_built_for_a_skipped_one(world: Hearing) -> None:
    lost = world.made(world.commit_files("app.py"))
    skipped = world.hear(world.commit_files("app.py", message="Again [skip ci]"), trigger="sweep")
    world.start(lost)
    assert (world.run(lost).state, world.run(lost).superseded_by) == ("superseded", skipped.id)


def test_a_run_that_gives_way_while_the_newer_one_is_being_skipped_is_not_lost(world: Hearing) -> None:
    older = world.made(world.commit_files("app.py"))
    newer = world.made(world.commit_files("VERSION", message="Version 2 [skip ci]"))

    class Meanwhile(fakes.Transcripts):
        def write(self, line: str) -> None:
            if line.startswith("nothing to do"):
                with world.database.begin() as session:
                    stops.give_way(session, older, newer)

    world.ctx = dataclasses.replace(world.ctx, transcripts=Meanwhile())
    world.start(newer)
    assert world.run(newer).state == "running"
    world.start(newer)
    assert (world.run(newer).state, world.run(newer).code) == ("running", "")
