"""What is built is what the host says the ref is when its run begins, on real repositories and both databases."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from control.intake import take_in
from pipeline.push import Action, PullRequest, Push
from store import jobs, new_runs, runs
from store.deliveries import NewDelivery
from store.schema import DeliveryRow, JobRow, ProjectRow, RefHeadRow, RunRow, StageRow
from store.session import Database
from tests.conftest import MOMENT
from tests.parts import need
from tests.repositories import Repository
from tests.rollout_world import World

MAIN = "refs/heads/main"
FILES = {"Dockerfile": b"FROM scratch\n"}


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    need("git")
    return World(database, tmp_path)


@pytest.fixture
def remote(world: World) -> Repository:
    return world.repository


def tell(world: World, after: str, *, ref: str = MAIN, trigger: str = "push") -> int:
    """Make the run of a push as a webhook told of it."""
    with world.database.begin() as session:
        push = Push(ref=ref, before="0" * len(after), after=after)
        return runs.create(
            session, world.project, push, trigger=trigger, at=MOMENT, asked=runs.Asked(again=f"x{after}{trigger}")
        )[0]


def look(world: World, run: int) -> RunRow:
    """Do a run's source stage, and return the run."""
    with world.database.read() as session:
        stage = session.scalars(select(StageRow.id).where(StageRow.run_id == run, StageRow.name == "source")).one()
    world.go(jobs.JobKind.STAGE, stage)
    return of(world, run)


def of(world: World, run: int) -> RunRow:
    with world.database.read() as session:
        return session.get_one(RunRow, run)


def count(world: World) -> int:
    with world.database.read() as session:
        return len(session.scalars(select(RunRow.id)).all())


def test_a_ref_that_is_where_it_was_told_to_be_is_built(world: World, remote: Repository) -> None:
    told = remote.commit(FILES)
    run = look(world, tell(world, told))
    assert (run.state, run.revision) == ("running", told)
    assert count(world) == 1


@pytest.mark.parametrize("told", ["tag", "commit"])
def test_an_annotated_tag_is_where_it_was_told_to_be_by_either_name(
    world: World, remote: Repository, told: str
) -> None:
    revision = remote.commit(FILES)
    remote.git("tag", "-a", "-m", "One", "v1", revision)
    after = {"tag": remote.git("rev-parse", "refs/tags/v1"), "commit": revision}[told]
    run = look(world, tell(world, after, ref="refs/tags/v1"))
    assert (run.state, run.revision) == ("running", revision)


def test_a_repository_of_sha256_names_is_pinned_too(world: World, tmp_path: Path) -> None:
    remote = Repository.make(tmp_path / "other.git", "--object-format=sha256")
    with world.database.begin() as session:
        session.execute(update(ProjectRow).values(url=remote.url))
    told = remote.commit(FILES)
    tip = remote.commit(FILES | {"a": b"1"}, parent=told)
    run = look(world, tell(world, told))
    assert (run.state, of(world, run.superseded_by or 0).revision) == ("superseded", tip)


def test_a_ref_that_has_moved_on_is_built_where_it_is(world: World, remote: Repository) -> None:
    told = remote.commit(FILES)
    tip = remote.commit(FILES | {"a": b"1"}, parent=told)
    run = look(world, tell(world, told))
    assert (run.state, run.code) == ("superseded", "superseded")
    assert run.reason == f"we were told of {told[:7]}; main is at {tip[:7]} by now, which is r2"
    newer = of(world, run.superseded_by or 0)
    assert (newer.id, newer.ref, newer.revision, newer.before, newer.trigger) == (2, MAIN, tip, told, "sweep")
    assert look(world, newer.id).state == "running"
    with world.database.read() as session:
        assert session.scalars(select(RefHeadRow.revision)).one() == tip
        assert session.scalars(select(DeliveryRow.source)).one() == "sweep"
        said = session.scalars(select(DeliveryRow.detail)).one()
        assert said == f"found when r1 looked: shop {tip[:7]} on main is r2"
        assert session.scalars(select(ProjectRow.recovered)).one() == 0


def test_f31_a_push_told_late_ends_by_the_run_of_the_one_that_followed(world: World, remote: Repository) -> None:
    first = remote.commit(FILES)
    second = remote.commit(FILES | {"a": b"1"}, parent=first)
    newer = tell(world, second)
    assert look(world, newer).state == "running"
    late = look(world, tell(world, first))
    assert (late.state, late.superseded_by) == ("superseded", newer)
    assert count(world) == 2


def test_f32_a_forced_push_is_built_where_the_ref_is(world: World, remote: Repository) -> None:
    lost = remote.commit(FILES | {"a": b"1"})
    kept = remote.commit(FILES)
    run = look(world, tell(world, lost))
    assert run.state == "superseded"
    assert of(world, run.superseded_by or 0).revision == kept


def test_f32_a_ref_that_is_gone_ends_its_run(world: World, remote: Repository) -> None:
    told = remote.commit(FILES)
    remote.git("update-ref", "-d", MAIN)
    run = look(world, tell(world, told))
    assert (run.state, run.code) == ("cancelled", "ref_gone")
    assert count(world) == 1


@pytest.mark.parametrize("kind", ["of another branch", "of nowhere"])
def test_G16_an_imposter_is_never_built(world: World, remote: Repository, kind: str) -> None:
    good = remote.commit(FILES)
    evil = remote.commit(FILES | {"evil": b"1"}, ref="refs/heads/evil", parent=good)
    look(world, tell(world, evil, ref="refs/heads/evil"))
    run = look(world, tell(world, evil if kind == "of another branch" else "e" * 40))
    assert (run.state, run.config) == ("superseded", None)
    assert of(world, run.superseded_by or 0).revision == good


def test_G19_a_push_between_the_look_and_the_build_is_not_what_is_built(world: World, remote: Repository) -> None:
    told = remote.commit(FILES)
    run = look(world, tell(world, told))
    other = remote.commit(FILES | {"evil": b"1"}, parent=told)
    world.ctx.source.tip("shop", remote.url, MAIN)
    assert (run.state, of(world, run.id).revision) == ("running", told)
    assert world.ctx.source.read("shop", run.revision, "evil") is None
    assert world.ctx.source.read("shop", other, "evil") == b"1"


@pytest.mark.parametrize("action", Action)
def test_G17_nothing_that_happens_to_a_forks_pull_request_starts_anything(world: World, action: Action) -> None:
    asked = PullRequest(number=7, action=action, branch="evil", after="e" * 40, base="main", fork=True)
    new = NewDelivery(
        forge="github", key=f"k{action}", event="pull_request", headers={}, body=action.encode(), at=MOMENT
    )
    with world.database.begin() as session:
        before = len(session.scalars(select(JobRow.id)).all())
        answer = take_in(session, world.project, new, [asked], channel="#deploys")
        assert answer.runs == ()
        assert answer.code in {"ignored_fork", "pull_request_closed"}
        assert len(session.scalars(select(JobRow.id)).all()) == before
    assert count(world) == 0


def test_a_host_that_does_not_show_yet_what_it_told_of_is_asked_again(world: World, remote: Repository) -> None:
    first = remote.commit(FILES)
    look(world, tell(world, first))
    second = remote.commit(FILES | {"a": b"1"}, parent=first)
    remote.point(MAIN, first)
    run = tell(world, second)
    behind = look(world, run)
    assert behind.state == "running"
    with world.database.read() as session:
        stage = session.scalars(select(StageRow).where(StageRow.run_id == run)).one()
    assert (stage.state, stage.reason) == (
        "queued",
        f"main does not hold {second[:7]} yet, of which we were told. This is not your code. Trying again in 2 s.",
    )
    remote.point(MAIN, second)
    assert look(world, run).revision == second
    assert count(world) == 2


def test_a_push_that_the_host_never_shows_ends_by_what_it_does_show(world: World, remote: Repository) -> None:
    first = remote.commit(FILES)
    older = tell(world, first)
    look(world, older)
    run = tell(world, "e" * 40)
    assert [look(world, run).state for _ in range(2)] == ["running", "running"]
    ended = look(world, run)
    assert (ended.state, ended.superseded_by) == ("superseded", older)


def test_where_nothing_is_superseded_the_commit_that_was_told_is_built(world: World, remote: Repository) -> None:
    with world.database.begin() as session:
        session.execute(update(ProjectRow).values(rules={"supersede": "never"}))
    told = remote.commit(FILES)
    remote.commit(FILES | {"a": b"1"}, parent=told)
    run = look(world, tell(world, told))
    assert (run.state, run.revision) == ("running", told)
    assert look(world, tell(world, "e" * 40)).state == "superseded"


def test_constant_pushing_does_not_starve_a_ref(world: World, remote: Repository) -> None:
    told, states = remote.commit(FILES), []
    for number in range(new_runs.MOST_STOPPED + 2):
        tip = remote.commit(FILES | {"n": b"%d" % number}, parent=told)
        run = look(world, tell(world, told))
        states.append(run.state)
        told = tip
    assert states == ["superseded"] * new_runs.MOST_STOPPED + ["running", "superseded"]


@pytest.mark.parametrize("trigger", ["chat", "api", "retry"])
def test_what_a_person_asked_for_is_built_as_long_as_it_is_on_the_ref(
    world: World, remote: Repository, trigger: str
) -> None:
    told = remote.commit(FILES)
    remote.commit(FILES | {"a": b"1"}, parent=told)
    run = look(world, tell(world, told, trigger=trigger))
    assert (run.state, run.revision) == ("running", told)
    remote.commit(FILES)
    gone = look(world, tell(world, "e" * 40, trigger=trigger))
    assert (gone.state, gone.code) == ("cancelled", "ref_gone")


@pytest.mark.parametrize("noted", [True, False])
def test_a_second_try_of_the_same_look_makes_no_second_run(world: World, remote: Repository, noted: bool) -> None:
    told = remote.commit(FILES)
    remote.commit(FILES | {"a": b"1"}, parent=told)
    run = tell(world, told)
    ended = look(world, run)
    newer = ended.superseded_by
    with world.database.begin() as session:  # as if the worker had died before it recorded how the stage ended
        before = {"state": "running", "superseded_by": newer if noted else None}
        session.execute(update(RunRow).where(RunRow.id == run).values(before))
        session.execute(update(StageRow).where(StageRow.run_id == run).values(state="running"))
        session.execute(update(JobRow).where(JobRow.kind == "stage").values(state="queued"))
    again = look(world, run)
    assert (again.state, again.superseded_by) == ("superseded", newer)
    assert count(world) == 2


def test_what_a_webhook_tells_while_a_run_looks_is_newer_than_what_it_saw(world: World, remote: Repository) -> None:
    told = remote.commit(FILES)
    run = tell(world, told)
    tip = remote.commit(FILES | {"a": b"1"}, parent=told)
    newest = remote.commit(FILES | {"a": b"2"}, parent=tip)
    remote.point(MAIN, tip)
    world.ctx = dataclasses.replace(world.ctx, source=Overtaken(world, (tip, newest)))
    assert look(world, run).state == "running", "it waits to look again"
    assert count(world) == 2
    ended = look(world, run)
    assert of(world, ended.superseded_by or 0).revision == newest
    with world.database.read() as session:
        assert [one.state for one in session.scalars(select(RunRow).order_by(RunRow.id))] == ["superseded", "queued"]
        assert session.scalars(select(RefHeadRow.revision)).one() == newest


class Overtaken:
    """A repository that is pushed to, with a webhook, right after it was first looked at."""

    def __init__(self, world: World, push: tuple[str, str]) -> None:
        self._source, self._world, self._pushes = world.ctx.source, world, [push]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def tip(self, *asked: Any, **how: Any) -> str:
        seen = self._source.tip(*asked, **how)
        if self._pushes:
            before, after = self._pushes.pop()
            self._world.repository.point(MAIN, after)
            new = NewDelivery(forge="git", key=after, event="push", headers={}, body=b"{}", at=MOMENT)
            with self._world.database.begin() as session:
                push = Push(ref=MAIN, before=before, after=after)
                take_in(session, self._world.project, new, [push], channel="#deploys")
        return seen
