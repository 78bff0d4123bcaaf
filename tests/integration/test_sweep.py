"""Pushes whose webhook never came, found in real repositories and run like all others, on both databases."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, update
from structlog.testing import capture_logs

from pipeline.looking import SECOND_LOOK
from pipeline.push import Push
from store.schema import ProjectRow, RefHeadRow, RunRow
from store.session import Database
from tests.parts import need
from tests.repositories import Repository
from tests.sweep_world import FILES, MAIN, World
from workers.sweep import MOST_EVENTS

SIDE = "refs/heads/side"
FOUND = "found by looking, no webhook told of it: "


@pytest.fixture
def world(database: Database, tmp_path: Path, moment: datetime) -> Iterator[World]:
    need("git")
    yield World(database, tmp_path, moment)


def test_the_first_look_takes_what_is_there_as_told(world: World) -> None:
    first = world.remote.commit(FILES)
    world.remote.point("refs/tags/v1", first)
    assert world.look() == "done"
    world.sweep()
    assert (world.runs, world.deliveries, world.recovered) == ([], [], 0)
    assert world.heads == {MAIN: first, "refs/tags/v1": first}
    with world.database.read() as session:
        assert session.get_one(ProjectRow, world.project.id).swept_at == world.moment


def test_a_push_whose_webhook_never_came_is_run(world: World) -> None:
    first = world.remote.commit(FILES)
    world.look()
    second = world.remote.commit(FILES | {"a": b"1"}, parent=first)
    assert world.look() == "queued"
    assert world.runs == []
    world.moment += SECOND_LOOK
    assert world.look() == "done"
    assert world.runs == [(MAIN, second, "sweep")]
    assert world.deliveries == [("sweep", "accepted", f"{FOUND}shop {second[:7]} on main is r1")]
    assert (world.recovered, world.heads) == (1, {MAIN: second})
    world.sweep()
    assert (len(world.runs), world.recovered) == (1, 1)


def test_a_second_look_that_comes_too_soon_decides_nothing(world: World) -> None:
    world.look()
    world.remote.commit(FILES)
    world.look()
    world.moment += SECOND_LOOK / 2
    assert world.look() == "queued"
    assert world.runs == []


def test_five_branches_pushed_at_once_of_which_gitlab_says_nothing_are_all_run(world: World, tmp_path: Path) -> None:
    first = world.remote.commit(FILES)
    world.look()
    clone = Repository.make(tmp_path / "clone.git")
    clone.git("fetch", "--quiet", world.remote.url, f"{MAIN}:{MAIN}")
    names = [f"refs/heads/b{number}" for number in range(5)]
    pushed = {ref: clone.commit(FILES | {"n": ref.encode()}, ref=ref, parent=first) for ref in names}
    clone.git("push", "--quiet", world.remote.url, *names)
    world.sweep()
    assert world.runs == [(ref, revision, "sweep") for ref, revision in pushed.items()]
    assert world.recovered == 5


def test_a_webhook_that_comes_between_two_looks_is_who_tells(world: World) -> None:
    world.look()
    revision = world.remote.commit(FILES)
    world.look()
    world.hear(Push(ref=MAIN, before="0" * 40, after=revision), key="hook")
    world.moment += SECOND_LOOK
    assert world.look() == "done"
    assert (len(world.runs), len(world.deliveries), world.recovered) == (1, 1, 0)


def test_a_branch_that_is_gone_calls_its_runs_off(world: World) -> None:
    main = world.remote.commit(FILES)
    world.look()
    world.remote.commit(FILES | {"a": b"1"}, ref=SIDE)
    world.sweep()
    world.remote.git("update-ref", "-d", SIDE)
    world.sweep()
    with world.database.read() as session:
        assert session.scalars(select(RunRow.cancel_requested)).one()
    assert world.deliveries[-1][:2] == ("sweep", "ref_deleted")
    assert (world.heads, world.recovered) == ({MAIN: main}, 1)
    world.sweep()
    assert len(world.deliveries) == 2


def test_a_branch_that_comes_and_goes_between_two_looks_leaves_nothing(world: World) -> None:
    world.look()
    world.remote.commit(FILES)
    world.look()
    world.remote.git("update-ref", "-d", MAIN)
    world.sweep()
    assert (world.runs, world.deliveries, world.heads) == ([], [], {})


def test_a_branch_moved_to_and_fro_is_run_each_time(world: World) -> None:
    first = world.remote.commit(FILES)
    world.look()
    second = world.remote.commit(FILES | {"a": b"1"}, parent=first)
    for revision in (second, first, second):
        world.remote.point(MAIN, revision)
        world.sweep()
    assert [revision for _, revision, _ in world.runs] == [second, first, second]
    assert world.recovered == 3


@pytest.mark.parametrize("told", ["tag", "commit"])
def test_an_annotated_tag_is_known_by_its_object_and_by_its_commit(world: World, told: str) -> None:
    world.look()
    revision = world.remote.commit(FILES, ref=None)
    world.remote.git("tag", "-a", "-m", "One", "v1", revision)
    tag = world.remote.git("rev-parse", "refs/tags/v1")
    after = {"tag": tag, "commit": revision}[told]
    world.hear(Push(ref="refs/tags/v1", before="0" * 40, after=after), key="hook")
    world.sweep()
    assert (len(world.runs), world.recovered) == (1, 0)


def test_what_the_rules_leave_out_is_found_once_and_not_run(world: World) -> None:
    with world.database.begin() as session:
        session.execute(update(ProjectRow).values(rules={"push": {"branches": ["main"]}}))
    world.look()
    world.remote.commit(FILES, ref="refs/heads/other")
    for _ in range(2):
        world.sweep()
    assert world.runs == []
    assert [code for _, code, _ in world.deliveries] == ["ignored_branch"]


def test_G18_a_forks_code_is_on_no_ref_that_is_ever_looked_at(world: World) -> None:
    world.look()
    base = world.remote.commit(FILES)
    world.sweep()
    evil = world.remote.commit(FILES | {"evil": b"1"}, ref=None, parent=base)
    for ref in ("refs/pull/7/head", "refs/pull/7/merge", "refs/merge-requests/7/head", "refs/changes/07/7/1"):
        world.remote.point(ref, evil)
    world.sweep()
    assert [revision for _, revision, _ in world.runs] == [base]


def test_no_more_than_fifty_are_told_a_round_and_the_rest_in_the_next(world: World) -> None:
    world.look()
    revision = world.remote.commit(FILES, ref=None)
    names = [f"refs/heads/b{number:02}" for number in range(MOST_EVENTS + 3)]
    world.remote.git("update-ref", "--stdin", stdin="".join(f"create {ref} {revision}\n" for ref in names).encode())
    world.look()
    world.moment += SECOND_LOOK
    with capture_logs() as logs:
        assert world.look() == "done"
    assert [line for line in logs if line["event"] == "found_by_looking"] == [
        {
            "event": "found_by_looking",
            "log_level": "info",
            "project": "shop",
            "told": 50,
            "left_for_the_next_round": 3,
        }
    ]
    assert len(world.runs) == MOST_EVENTS
    world.look()
    assert sorted(ref for ref, _, _ in world.runs) == names


def test_ten_thousand_refs_are_compared_in_a_few_statements(world: World) -> None:
    revision = world.remote.commit(FILES)
    packed = "".join(f"{revision} refs/heads/{number:05}\n" for number in range(10_000))
    (world.remote.path / "packed-refs").write_text(f"# pack-refs with: peeled fully-peeled sorted \n{packed}")
    assert statements(world, world.look) < 30
    second = world.remote.commit(FILES | {"a": b"1"}, parent=revision)
    assert statements(world, world.sweep) < 80
    assert world.runs == [(MAIN, second, "sweep")]
    with world.database.read() as session:
        assert session.scalar(select(func.count()).select_from(RefHeadRow)) == 10_001


def statements(world: World, work: Callable[[], object]) -> int:
    """Return how many statements it took."""
    seen: list[str] = []

    def count(*details: Any) -> None:
        seen.append(details[2])

    event.listen(world.database.engine, "before_cursor_execute", count)
    work()
    event.remove(world.database.engine, "before_cursor_execute", count)
    return len(seen)
