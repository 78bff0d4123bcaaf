"""Cleaning up: what is past its time goes, what anything needs stays, whoever is at work meanwhile."""

import threading
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from commands.prune import prune as command
from pipeline.deployment import Cause, Release
from pipeline.retention import FRESH, Ages, Stored
from pipeline.stage import Kind
from runtime.disk import Disk
from store import deployments, images, jobs, retention
from store.deployments import Asked
from store.schema import DeploymentRow, ImageRow, JobRow, RunRow, StageRow
from store.session import Database
from tests import factories, fakes, rollout_world
from tests.conftest import MOMENT
from tests.rollout_world import World
from workers import entry, prune


def release(service: str, letter: str) -> Release:
    """Return a release of the image that `build` has noted."""
    image = f"reg/{service}@sha256:{letter * 40:0<64}"
    return replace(rollout_world.release(service, letter), image=image)


REAL_AGES = retention.ages
KEEP = Ages(images=1, runs=90 * 86_400.0, logs=30 * 86_400.0)


class Registry:
    """A registry that has everything but what it has lost."""

    def __init__(self) -> None:
        self.lost: set[str] = set()

    def digest(self, repository: str, tag: str) -> str | None:
        return None if tag in self.lost else tag

    def tag(self, repository: str, digest: str, tags: Iterable[str]) -> None:
        raise AssertionError("nothing is tagged in these tests")

    def check_push(self, repository: str) -> None:
        return None


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def world(database: Database, tmp_path: Path, registry: Registry) -> World:
    world = World(database, tmp_path)
    world.ctx = replace(world.ctx, registry=registry)
    return world


@pytest.fixture(autouse=True)
def keep_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "NEWEST", 0)
    monkeypatch.setattr(retention, "ages", lambda session: dict.fromkeys(range(1, 9), KEEP))


def storeroom(world: World) -> fakes.Storeroom:
    found = world.ctx.storeroom
    assert isinstance(found, fakes.Storeroom)
    return found


def build(world: World, *letters: str) -> None:
    """Let runs that have ended have built an image of web each."""
    for letter in letters:
        run, _ = world.push(letter * 40, branch=f"b-{letter}")
        with world.database.begin() as session:
            session.execute(update(RunRow).where(RunRow.id == run).values(state="passed", finished_at=MOMENT))
            session.execute(update(StageRow).where(StageRow.run_id == run).values(state="passed"))


def built(world: World) -> set[str]:
    with world.database.read() as session:
        return {revision[0] for revision in session.scalars(select(ImageRow.revision))}


def asked(world: World, letter: str) -> Asked:
    return Asked(
        project_id=world.project.id,
        environment_id=world.place,
        releases=(release("web", letter),),
        cause=Cause.CHAT,
        actor="ana",
    )


def test_images_go_and_what_serves_or_served_lately_or_waits_stays(world: World) -> None:
    build(world, *"abcdefgh")
    for letter in "abcde":
        world.deploy(world.ask(release("web", letter)))
    world.ask(release("web", "f"))
    prune.clean(world.ctx)
    assert built(world) == set("bcdefh"), "four deployed, one waits, one is the newest"


def test_what_the_registry_and_the_engine_hold_and_nobody_knows_goes(world: World) -> None:
    build(world, "a", "b")
    room = storeroom(world)
    room.there["reg/web"] = {"a" * 40: f"sha256:{'a' * 40:0<64}", "b" * 40: f"sha256:{'b' * 40:0<64}", "main": "x"}
    gone = tuple(f"reg/web:{letter * 40}" for letter in "ac")
    room.images = [Stored(id=one, references=(one,), size=1, age=2 * FRESH) for one in (*gone, f"reg/web:{'b' * 40}")]
    room.used = {f"reg/web:{'c' * 40}"}
    prune.clean(world.ctx)
    assert set(room.there["reg/web"]) == {"b" * 40, "main"}
    assert room.removed == [f"reg/web:{'a' * 40}"]


def test_what_is_being_built_is_not_taken_for_left_over(world: World) -> None:
    build(world, "a")
    world.push("9" * 40, branch="new")
    with world.database.begin() as session:
        session.execute(update(ImageRow).where(ImageRow.revision == "9" * 40).values(revision="8" * 40))
    room = storeroom(world)
    room.there["reg/web"] = {"9" * 40: "sha256:new"}
    prune.clean(world.ctx)
    assert "9" * 40 in room.there["reg/web"]


def test_F42_an_image_that_is_built_while_we_clean_up_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    build(world, "a")
    room = storeroom(world)
    room.there["reg/web"] = {"c" * 40: f"sha256:{'c' * 40:0<64}", "d" * 40: "sha256:nobody's"}
    room.images = [Stored(id=one, references=(f"reg/web:{one * 40}",), size=1, age=2 * FRESH) for one in "de"]
    tags, stored = room.tags, room.stored

    def listed(name: str) -> tuple[str, ...]:
        found = tags(name)
        build(world, "c")
        return found

    def listed_here() -> tuple[Stored, ...]:
        found = stored()
        build(world, "e")
        return found

    monkeypatch.setattr(room, "tags", listed)
    monkeypatch.setattr(room, "stored", listed_here)
    prune.clean(world.ctx)
    assert set(room.there["reg/web"]) == {"c" * 40}
    assert room.removed == [f"reg/web:{'d' * 40}"]


def test_F42_an_image_that_is_needed_just_before_it_would_go_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(world, "a")
    room = storeroom(world)
    room.there["reg/web"] = {letter * 40: f"sha256:{letter}" for letter in "cd"}
    remove = room.remove_tag

    def removed(name: str, tag: str, *, keep: Collection[str]) -> bool:
        build(world, "d")
        return remove(name, tag, keep=keep)

    monkeypatch.setattr(room, "remove_tag", removed)
    prune.clean(world.ctx)
    assert set(room.there["reg/web"]) == {"d" * 40}


def test_F42_an_image_that_is_deployed_while_we_look_stays(world: World) -> None:
    build(world, "a", "b")
    with world.database.begin() as session:
        spent = retention.spent(session, retention.ages(session), at=MOMENT)
    assert [one.revision[0] for one in spent.images] == ["a"]
    world.ask(release("web", "a"))
    with world.database.begin() as session:
        assert retention.forget_images(session, spent.images, retention.ages(session)) == []
    assert built(world) == {"a", "b"}


def test_F42_who_forgets_images_waits_for_a_deployment_that_is_being_asked_for(world: World) -> None:
    build(world, "a", "b")
    with world.database.begin() as session:
        spent = retention.spent(session, retention.ages(session), at=MOMENT)
    forgotten: list[int] = []
    begun = threading.Event()

    def forget() -> None:
        begun.set()
        with world.database.begin() as session:
            forgotten.append(len(retention.forget_images(session, spent.images, retention.ages(session))))

    other = threading.Thread(target=forget)
    with world.database.begin() as session:
        deployments.create(session, asked(world, "a"), at=MOMENT)
        other.start()
        begun.wait(60)
        other.join(0.3)
        assert forgotten == []
    other.join(60)
    assert (forgotten, built(world)) == ([0], {"a", "b"})


def test_old_runs_go_with_all_they_have_and_younger_ones_lose_their_logs(world: World) -> None:
    build(world, "a", "b", "c")
    with world.database.begin() as session:
        session.query(ImageRow).delete()
        for run, days in ((1, 100), (2, 40), (3, 1)):
            ended = MOMENT - timedelta(days=days)
            session.execute(update(RunRow).where(RunRow.id == run).values(finished_at=ended))
    spent = prune.clean(world.ctx)
    assert (spent.runs, spent.logs, storeroom(world).forgotten) == ((1,), (2,), [1, 2])
    with world.database.read() as session:
        assert set(session.scalars(select(RunRow.id))) == {2, 3}
        assert 1 not in set(session.scalars(select(StageRow.run_id)))


def test_a_run_that_is_retried_while_we_clean_up_keeps_all_it_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(world, "a", "b")
    room = storeroom(world)
    with world.database.begin() as session:
        session.query(ImageRow).delete()
        for run, days in ((1, 100), (2, 40)):
            ended = MOMENT - timedelta(days=days)
            session.execute(update(RunRow).where(RunRow.id == run).values(finished_at=ended))
        old = retention.spent(session, retention.ages(session), at=MOMENT)
    assert (old.runs, old.logs) == ((1,), (2,))
    monkeypatch.setattr(retention, "spent", lambda *_args, **_more: old)
    with world.database.begin() as session:
        session.execute(update(RunRow).where(RunRow.id == 1).values(finished_at=None, state="running"))
        session.execute(update(RunRow).where(RunRow.id == 2).values(finished_at=MOMENT))
    spent = prune.clean(world.ctx)
    assert (spent.runs, spent.logs, room.forgotten) == ((), (), [])
    with world.database.read() as session:
        assert {1, 2} == set(session.scalars(select(RunRow.id))) == set(session.scalars(select(StageRow.run_id)))


def test_a_deployment_outlives_its_run(world: World) -> None:
    run, stage = world.push(world.commit("one"))
    assert world.stage(stage).state == "passed"
    with world.database.begin() as session:
        session.query(ImageRow).delete()
        late = MOMENT + timedelta(days=100)
        assert retention.forget_run(session, run, retention.ages(session), at=late)
    with world.database.read() as session:
        row = session.scalars(select(DeploymentRow)).one()
        assert (row.state, row.run_id, row.stage_id) == ("deployed", None, None)
    assert world.live()


def test_F40_a_full_disk_stops_builds_with_a_sentence_and_has_everything_cleaned_up(world: World) -> None:
    storeroom(world).full = "only 3 MB are free where /home is, and 2,048 MB are wanted"
    with world.database.begin() as session:
        project = factories.project(session, "other")
        row = factories.run(
            session, project, [{"name": "build", "kind": Kind.BUILD, "state": "queued"}], state="running"
        )
        stage = session.scalars(select(StageRow.id).where(StageRow.run_id == row.id)).one()
        jobs.add(session, jobs.JobKind.STAGE, stage, at=MOMENT)
    assert world.go(jobs.JobKind.STAGE, stage) == "queued"
    with world.database.read() as session:
        reason = session.get_one(StageRow, stage).reason
        assert reason.startswith("only 3 MB are free") and "not your code" in reason
        assert session.scalars(select(JobRow.state).where(JobRow.kind == "prune")).one() == "queued"


def test_F40_deployments_go_on_although_the_disk_is_full(world: World) -> None:
    storeroom(world).full = "full"
    _, stage = world.push(world.commit("one"))
    assert world.stage(stage).state == "passed"


def test_images_are_found_again_after_a_prune(world: World) -> None:
    build(world, "a", "b")
    prune.clean(world.ctx)
    with world.database.read() as session:
        assert images.find(session, world.project.id, "web", "b" * 40) is not None
        assert images.find(session, world.project.id, "web", "a" * 40) is None


def test_F40_room_is_measured_where_it_is_needed(tmp_path: Path) -> None:
    free = 1024**4
    assert Disk(lambda: [tmp_path], 0).lack() is None
    assert Disk(lambda: [tmp_path], 1).lack() is None
    assert Disk(lambda: [], free).lack() is None


def test_F44_what_the_registry_has_lost_and_is_in_use_is_pushed_again(
    world: World, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(world, "a", "b")
    kept, gone = (f"reg/web:{letter * 40}" for letter in "ab")
    lost = release("web", "a")
    world.deploy(world.ask(lost))
    digest = lost.image.partition("@")[2]
    registry.lost = {digest}
    room = storeroom(world)
    room.images = [
        Stored(id="1", references=("reg/web:main", lost.image, kept), size=1, age=2 * FRESH),
        Stored(id="2", references=(gone,), size=1, age=2 * FRESH),
    ]
    pushed: list[str] = []

    def push(reference: str, _line: object) -> str:
        pushed.append(reference)
        return digest

    monkeypatch.setattr(world.engine, "push", push)
    prune.clean(world.ctx)
    assert pushed == [kept]


def test_a_person_is_shown_what_would_go_before_it_goes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    build(world, "a", "b")
    monkeypatch.setattr(entry, "context", lambda: world.ctx)

    def said(*words: str, answer: str = "") -> str:
        return CliRunner().invoke(command, list(words), input=answer, catch_exceptions=False).output

    assert "image reg/web:aaaaaaa: 0 MB" in said("--dry-run")
    assert built(world) == {"a", "b"}
    said(answer="n\n")
    assert built(world) == {"a", "b"}
    assert "1 images" in said("--yes")
    assert built(world) == {"b"}
    assert "nothing is left over, nothing is past its time" in said("--dry-run")


def test_what_is_kept_is_what_the_default_branch_says_and_all_of_it_if_nobody_understands_that(world: World) -> None:
    run, _ = world.push("a" * 40)
    said = {"services": {"web": {}}, "version": 1, "name": "shop", "branch": "main", "stages": {}, "environments": {}}
    for retained, number in (({"images": 3}, 3), ({}, 20)):
        with world.database.begin() as session:
            session.get_one(RunRow, run).config = said | {"retention": retained}
            session.flush()
            assert REAL_AGES(session)[world.project.id].images == number
    with world.database.begin() as session:
        session.get_one(RunRow, run).config = said | {"of_a_later_version": 1}
        session.flush()
        assert REAL_AGES(session) == {}
