"""Deployments against each other: killed, tried again, overtaken, rolled back. SQL is real, the engine is not."""

from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.deployment import Cause
from pipeline.errors import StageFailed, Unavailable
from store import deployments, environments, jobs
from store.deployments import Asked
from store.schema import DeploymentRow, InstanceRow, StageRow
from store.session import Database
from tests.conftest import MOMENT
from tests.rollout_world import World, release
from workers import rollout


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


def test_F46_a_deployment_that_comes_back_after_a_newer_one_changes_nothing(world: World) -> None:
    world.deploy(world.ask(release("web", "1")))
    second, third = world.ask(release("web", "2")), world.ask(release("web", "3"))
    world.proxy.faults = [Unavailable("the proxy's lock is held", code="locked")]
    assert world.deploy(second) == "queued"
    assert world.deploy(third) == "queued", "the third waits for the second, which was asked for before"
    assert world.deploy(second) == "done"
    assert world.deploy(third) == "done"
    assert world.live() == {"web": "3"} and world.serving() == {"3"}
    world.mend()
    assert len(world.engine.there) == 1


def test_deployments_happen_in_the_order_they_were_asked_for(world: World) -> None:
    first, second = world.ask(release("web", "1")), world.ask(release("web", "2"))
    assert world.deploy(second) == "queued"
    assert (world.deploy(first), world.deploy(second)) == ("done", "done")
    assert world.live() == {"web": "2"}
    assert world.deploy(first) == "done"
    assert world.live() == {"web": "2"}


def test_two_people_who_deploy_different_services_both_get_theirs(world: World) -> None:
    both = (release("api", "1"), release("web", "1", main=True))
    world.deploy(world.ask(*both))
    web = world.ask(release("api", "1"), release("web", "2", main=True), named=frozenset({"web"}))
    api = world.ask(release("api", "2"), release("web", "1", main=True), named=frozenset({"api"}))
    world.deploy(web)
    world.deploy(api)
    assert world.live() == {"api": "2", "web": "2"}


def test_F55_a_rollback_is_not_undone_by_a_deployment_that_is_tried_again(world: World) -> None:
    for letter in "12":
        world.deploy(world.ask(release("web", letter)))
    third = world.ask(release("web", "3"))
    world.engine.faults = [Unavailable("the engine hiccups", code="engine_error")]
    assert world.deploy(third) == "queued"
    back = world.say("rollback staging because 5xx")
    assert world.deploy(back) == "done"
    assert world.live() == {"web": "1"}
    world.deploy(third)
    assert world.live() == {"web": "1"} and world.states()[third] == "superseded"


def test_a_stage_that_may_not_deploy_after_all_leaves_nothing_open(world: World) -> None:
    first = world.commit("one")
    _, older = world.push(first)
    _, newer = world.push(world.commit("two", parent=first))
    world.engine.faults = [Unavailable("the engine hiccups", code="engine_error")]
    assert world.go(jobs.JobKind.STAGE, older) == "queued"
    with world.database.begin() as session:
        environments.pin(session, world.place, by="bo", reason="testing")
    assert world.go(jobs.JobKind.STAGE, older) == "done"
    assert world.go(jobs.JobKind.STAGE, newer) == "done"
    assert set(world.states().values()) == {"superseded"}
    with world.database.begin() as session:
        environments.resume(session, world.place)
    assert world.deploy(world.say(f"deploy web@{first[:7]} to staging")) == "done"
    assert world.live() == {"web": first}


def test_a_renamed_service_takes_the_main_name_along_and_breaks_nobody(world: World) -> None:
    world.deploy(world.ask(release("shop", "1", main=True)))
    assert "staging.shop.slipway.test" in world.hosts()["shop"]
    world.deploy(world.ask(release("web", "2", main=True)))
    assert world.hosts()["shop"] == []
    assert "staging.shop.slipway.test" in world.hosts()["web"]
    assert world.serving() == {"2"}


def test_a_failing_deployment_of_a_renamed_service_leaves_the_old_names_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deploy(world.ask(release("shop", "1", main=True)))
    before = world.hosts()

    def sick(*_: object) -> None:
        raise StageFailed("web was not healthy", code="unhealthy")

    monkeypatch.setattr(rollout, "_wait_until_healthy", sick)
    failed = world.ask(release("web", "2", main=True))
    assert world.deploy(failed) == "done"
    assert world.states()[failed] == "failed"
    assert world.hosts()["shop"] == before["shop"] and world.serving() == {"1"}


def test_a_failed_deployment_whose_worker_died_just_then_is_not_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, stage = world.push(world.commit("one"))
    with world.database.begin() as session:
        asked = Asked(
            project_id=world.project.id,
            environment_id=world.place,
            releases=(release("web", "a"),),
            cause=Cause.PUSH,
            actor="r1",
            stage_id=stage,
        )
        made = deployments.create(session, asked, at=MOMENT)
        session.get_one(DeploymentRow, made).state = "failed"
        session.get_one(DeploymentRow, made).reason = "web was not healthy"
    assert world.go(jobs.JobKind.STAGE, stage) == "done"
    with world.database.read() as session:
        assert session.get_one(StageRow, stage).state == "failed"
    assert world.engine.started == [] and world.live() == {}


def test_mending_never_removes_a_container_that_has_just_been_started(world: World) -> None:
    world.deploy(world.ask(release("web", "1")))
    made = world.ask(release("web", "2"))

    def meanwhile() -> None:
        world.engine.looking = lambda: None
        world.deploy(made)

    world.engine.looking = meanwhile
    world.mend()
    assert world.live() == {"web": "2"}
    assert len([one for one in world.engine.there if f"i{newest(world)}" in one]) == 1


def newest(world: World) -> int:
    with world.database.read() as session:
        return max(session.scalars(select(InstanceRow.id)))


def test_mending_tells_the_proxy_before_it_takes_an_old_container_away(world: World) -> None:
    world.deploy(world.ask(release("web", "1")))
    second = world.ask(release("web", "2"))
    world.proxy.faults = [Unavailable("the proxy's lock is held", code="locked")]
    assert world.deploy(second) == "queued"
    assert world.serving() == {"1"}
    world.mend()
    assert world.serving() == {"2"} and len(world.engine.there) == 1


def test_a_container_that_cannot_start_does_not_keep_old_ones_alive(world: World) -> None:
    world.deploy(world.ask(release("web", "1")))
    world.deploy(world.ask(release("web", "2")))
    world.engine.there.pop(f"slipway-{world.ctx.home}-i{newest(world)}")
    world.engine.faults = [StageFailed("it cannot start", code="cannot_start")]
    world.mend()
    assert world.engine.there == {}
    assert world.mend() == "done"
    assert len(world.engine.there) == 1


def test_a_draining_container_stays_until_its_requests_have_ended(world: World) -> None:
    world.deploy(world.ask(release("web", "1")))
    world.proxy.busy = {f"i{newest(world)}"}
    world.deploy(world.ask(release("web", "2")))
    assert world.mend() == "queued" and len(world.engine.there) == 2
    world.proxy.busy = set()
    assert world.mend() == "done" and len(world.engine.there) == 1


def test_a_container_knows_where_it_is_and_who_is_beside_it(world: World) -> None:
    world.deploy(world.ask(release("api", "1"), release("web", "1")))
    env = world.engine.started[0].env
    assert env["SLIPWAY_ENVIRONMENT"] == "staging" and env["SLIPWAY_URL_WEB"] == "http://web:80"


def test_the_environments_tag_follows_what_serves_there(world: World) -> None:
    world.deploy(world.ask(release("web", "1")))
    world.deploy(world.ask(release("web", "2")))
    assert world.engine.tags["reg/web:staging"].endswith("2" * 64)
