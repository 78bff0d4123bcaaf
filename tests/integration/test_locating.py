"""A commit that somebody names by its digits is found on the branch or tag that holds it, in a real repository."""

from pathlib import Path

import pytest
from sqlalchemy import select

from control.speak import Spoken, say
from store.schema import StageRow
from store.session import Database
from tests.conftest import MOMENT
from tests.integration.test_pinning import FILES, look, of
from tests.parts import need
from tests.rollout_world import World


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    need("git")
    return World(database, tmp_path)


def ask(world: World, line: str) -> Spoken:
    return say(world.database, line, actor="ana@example.com", channel="#deploys", at=MOMENT)


def found(world: World, digits: str) -> tuple[str, str, str]:
    """Ask for a run of a commit, do its first stage twice, and return how it stands."""
    (run,) = ask(world, f"build shop@{digits}").reply.runs
    look(world, run)
    row = of(world, run)
    if row.state == "running" and row.config is None:
        row = look(world, run)
    return row.ref, row.revision, row.state


def test_a_commit_in_the_middle_of_a_branch_is_found_by_its_digits(world: World) -> None:
    remote = world.repository
    remote.commit(FILES)
    middle = remote.commit({**FILES, "a": b"1"}, ref="refs/heads/next")
    remote.commit({**FILES, "a": b"2"}, ref="refs/heads/next", parent=middle)
    assert found(world, middle[:9]) == ("refs/heads/next", middle, "running")


def test_the_default_branch_is_looked_at_first_and_whole_names_do_too(world: World) -> None:
    remote = world.repository
    shared = remote.commit(FILES)
    remote.point("refs/heads/a", shared)
    assert found(world, shared) == ("refs/heads/main", shared, "running")


def test_a_commit_that_nothing_holds_fails_with_a_sentence(world: World) -> None:
    world.repository.commit(FILES)
    loose = world.repository.commit({**FILES, "a": b"1"}, ref=None)
    (run,) = ask(world, f"build shop@{loose[:12]}").reply.runs
    row = look(world, run)
    assert (row.state, row.code) == ("failed", "no_such_revision")
    with world.database.read() as session:
        said = session.scalars(select(StageRow.reason).where(StageRow.run_id == run)).one()
    assert said == f"no branch or tag of shop holds a commit that begins with {loose[:12]}"
