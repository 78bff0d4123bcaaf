"""What a look saw is older than what a webhook says after it, and no answer is not one: real git, both databases."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from control.intake import take_in
from pipeline.looking import SECOND_LOOK, Look
from pipeline.project import Project
from pipeline.push import Push
from store import projects
from store.deliveries import NewDelivery
from store.schema import ProjectRow, RunRow
from store.session import Database
from tests.parts import need
from tests.sweep_world import FILES, MAIN, World
from workers import sweep
from workers.context import Context

SIDE = "refs/heads/side"


@pytest.fixture
def world(database: Database, tmp_path: Path, moment: datetime) -> Iterator[World]:
    need("git")
    yield World(database, tmp_path, moment)


def hear(world: World, before: str, after: str, ref: str = MAIN) -> None:
    """Hear of a push by a webhook."""
    body = f"{ref} {after}".encode()
    new = NewDelivery(forge="gitlab", key=f"k-{after}", event="push", headers={}, body=body, at=world.moment)
    with world.database.begin() as session:
        project = projects.get(session, world.project.id)
        take_in(session, project, new, [Push(ref=ref, before=before, after=after)], channel="#deploys")


def before_it_is_told(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Have something happen after the look and before what it found is taken in."""
    tell = sweep._tell
    todo = [act]

    def later(*found: object) -> bool:
        if todo:
            todo.pop()()
        return tell(*found)  # type: ignore[arg-type]

    monkeypatch.setattr(sweep, "_tell", later)


def test_a_webhook_that_comes_after_the_look_is_newer_than_what_it_saw(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.remote.commit(FILES)
    world.look()
    second = world.remote.commit(FILES | {"a": b"1"}, parent=first)
    third = world.remote.commit(FILES | {"a": b"2"}, parent=second)
    world.remote.point(MAIN, second)
    world.look()
    world.moment += SECOND_LOOK
    before_it_is_told(monkeypatch, lambda: hear(world, second, third))
    world.look()
    assert world.runs == [(MAIN, third, "push")]
    assert (world.heads, world.recovered) == ({MAIN: third}, 0)


def test_a_branch_that_is_there_again_before_its_end_is_told_keeps_its_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.remote.commit(FILES)
    world.remote.point(SIDE, first)
    world.look()
    world.remote.git("update-ref", "-d", SIDE)
    world.look()
    world.moment += SECOND_LOOK
    before_it_is_told(monkeypatch, lambda: hear(world, "0" * 40, first, SIDE))
    world.look()
    assert world.runs == [(SIDE, first, "push")] and world.heads[SIDE] == first
    with world.database.read() as session:
        assert not session.scalars(select(RunRow.cancel_requested)).one()


def test_a_host_that_shows_no_ref_at_all_has_not_answered(world: World) -> None:
    first = world.remote.commit(FILES)
    world.look()
    world.remote.git("update-ref", "-d", MAIN)
    with capture_logs() as logs:
        for _ in range(2):
            assert world.look() == "queued"
            world.moment += SECOND_LOOK
    assert [line["code"] for line in logs] == ["source_empty", "source_empty"]
    assert (world.heads, world.deliveries) == ({MAIN: first}, [])
    with world.database.begin() as session:
        assert session.scalars(select(ProjectRow.swept_at)).one() == world.moment - 2 * SECOND_LOOK


def test_half_of_all_branches_gone_is_believed_a_round_later(world: World) -> None:
    first = world.remote.commit(FILES)
    names = [f"refs/heads/b{number:02}" for number in range(25)]
    for ref in names:
        world.remote.point(ref, first)
    world.look()
    world.remote.git("update-ref", "--stdin", stdin="".join(f"delete {ref}\n" for ref in names[:20]).encode())
    world.sweep()
    assert world.deliveries == []
    world.moment += timedelta(seconds=world.ctx.sweep_seconds)
    world.look()
    assert len(world.deliveries) == 20 and set(world.heads) == {MAIN, *names[20:]}


def test_a_first_look_that_dies_half_way_has_taken_what_was_there_as_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.remote.commit(FILES)
    look = sweep._look

    def dying(ctx: Context, project: Project) -> Look:
        look(ctx, project)
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(sweep, "_look", dying)
        assert world.look() == "queued"
    assert world.heads == {MAIN: first}
    second = world.remote.commit(FILES | {"a": b"1"}, ref=SIDE, parent=first)
    world.sweep()
    assert world.runs == [(SIDE, second, "sweep")]


@pytest.mark.parametrize("name", ["x" * 502, "\U0001d11e" * 500, "\U0001d11e" * 1000])
def test_a_name_too_long_to_be_kept_holds_nothing_up(world: World, name: str) -> None:
    first = world.remote.commit(FILES)
    world.look()
    packed = f"# pack-refs with: peeled fully-peeled sorted \n{first} refs/heads/{name}\n"
    (world.remote.path / "packed-refs").write_text(packed)
    second = world.remote.commit(FILES | {"a": b"1"}, parent=first)
    with capture_logs() as logs:
        world.sweep()
    left = [line for line in logs if line["event"] == "names_left_out"]
    assert [(line["project"], line["count"]) for line in left] == [("shop", 1)] * 2
    assert world.runs == [(MAIN, second, "sweep")] and set(world.heads) == {MAIN}
