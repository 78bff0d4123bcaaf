"""The order of automatic deployments: by git's history, whatever the clocks and the numbers of runs say."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from pipeline.errors import Unavailable
from store import environments, jobs
from store.schema import EnvironmentRow
from tests import factories
from tests.rollout_world import CONFIG, World, release


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(factories.database(tmp_path), tmp_path)


def test_F31_an_older_push_that_is_heard_late_never_replaces_a_newer_one(world: World) -> None:
    older = world.commit("one")
    newer = world.commit("two", parent=older)
    _, first = world.push(newer)
    assert world.stage(first).state == "passed"
    _, late = world.push(older)
    stage = world.stage(late)
    assert (stage.state, stage.code) == ("skipped", "not_descendant")
    assert stage.reason == (
        f"held: {older[:7]} does not come after {newer[:7]}, which serves in staging since d1; "
        f"`deploy shop@{older[:7]} to staging` does it anyway"
    )
    assert world.live() == {"web": newer} and world.states()[2] == "superseded"
    assert len(world.engine.started) == 1, "what is held starts nothing"


def test_the_line_that_a_held_stage_tells_does_it(world: World) -> None:
    older = world.commit("one")
    world.stage(world.push(world.commit("two", parent=older))[1])
    line = world.stage(world.push(older)[1]).reason.split("`")[1]
    assert world.deploy(world.say(line)) == "done"
    assert world.live() == {"web": older}


def test_a_push_that_comes_after_what_serves_is_deployed(world: World) -> None:
    first = world.commit("one")
    second = world.commit("two", parent=first)
    third = world.commit("three", parent=second)
    for revision in (first, third):
        assert world.stage(world.push(revision)[1]).state == "passed"
        assert world.live() == {"web": revision}


def test_the_same_commit_is_deployed_again(world: World) -> None:
    revision = world.commit("one")
    assert world.stage(world.push(revision)[1]).state == "passed"
    assert world.stage(world.push(revision, branch="next")[1]).state == "passed"
    assert world.states() == {1: "deployed", 2: "deployed"}


def test_a_slow_older_run_that_waits_for_its_turn_is_held_when_it_comes(world: World) -> None:
    older = world.commit("one")
    newer = world.commit("two", parent=older)
    fast, slow = world.push(newer)[1], world.push(older)[1]
    world.proxy.faults = [Unavailable("the proxy's lock is held", code="locked")]
    assert world.go(jobs.JobKind.STAGE, fast) == "queued"
    assert world.go(jobs.JobKind.STAGE, slow) == "queued", "it waits for the one that asked before"
    assert world.go(jobs.JobKind.STAGE, fast) == "done"
    assert world.stage(slow).code == "not_descendant"
    assert world.live() == {"web": newer}


def test_a_forced_branch_is_held_and_says_so(world: World) -> None:
    old, new = world.commit("one"), world.commit("another history")
    world.stage(world.push(old)[1])
    stage = world.stage(world.push(new)[1])
    assert stage.reason.startswith(f"held: main was forced onto other commits: {new[:7]} does not come after {old[:7]}")
    assert world.live() == {"web": old}


def test_a_branch_that_was_forced_back_is_held_and_says_so(world: World) -> None:
    old = world.commit("one")
    new = world.commit("two", parent=old)
    world.stage(world.push(new)[1])
    world.repository.point("refs/heads/main", old)
    world.ctx.source.tip("shop", world.repository.url, "refs/heads/main")
    stage = world.stage(world.push(old)[1])
    assert stage.reason.startswith(f"held: main was forced back: {old[:7]} does not come after {new[:7]}")
    assert world.live() == {"web": new}


def test_a_push_after_a_persons_deployment_of_another_branch_is_held(world: World) -> None:
    base = world.commit("one")
    aside = world.commit("aside", parent=base, branch="next")
    world.stage(world.push(base)[1])
    world.push(aside, branch="next")
    assert world.deploy(world.say(f"deploy web@{aside[:7]} to staging")) == "done"
    main = world.commit("two", parent=base)
    stage = world.stage(world.push(main)[1])
    assert stage.reason.startswith(
        f"held: {main[:7]} does not come after {aside[:7]}, which serves in staging since d2"
    )
    merged = world.repository.git("commit-tree", f"{main}^{{tree}}", "-p", main, "-p", aside, "-m", "merge")
    world.repository.point("refs/heads/main", merged)
    world.ctx.source.tip("shop", world.repository.url, "refs/heads/main")
    assert world.stage(world.push(merged)[1]).state == "passed"


def test_each_service_is_compared_with_what_it_would_replace_itself(world: World) -> None:
    both = CONFIG | {"services": {"api": {}, "web": {}}}
    revision = world.commit("one")
    world.deploy(world.ask(release("api", "1")))
    assert world.stage(world.push(revision, config=both)[1]).state == "passed"
    assert world.live() == {"api": "1", "web": revision}
    world.deploy(world.ask(release("api", "1"), release("web", "2")))
    stage = world.stage(world.push(world.commit("two", parent=revision), config=both)[1])
    assert "does not come after 2222222" in stage.reason and "`deploy shop/web@" in stage.reason


def test_an_environment_may_let_branches_take_turns(world: World) -> None:
    shared = CONFIG | {"environments": {"staging": {"order": "any"}}}
    one, other = world.commit("one"), world.commit("other", branch="next")
    for revision, branch in ((one, "main"), (other, "next"), (one, "other")):
        assert world.stage(world.push(revision, branch=branch, config=shared)[1]).state == "passed"
        assert world.live() == {"web": revision}


def test_a_mirror_that_is_lost_is_made_anew_to_ask(world: World) -> None:
    first = world.commit("one")
    world.stage(world.push(first)[1])
    second = world.commit("two", parent=first)
    stage = world.push(second)[1]
    shutil.rmtree(world.repository.path.parent / "git")
    assert world.stage(stage).state == "passed"
    assert world.live() == {"web": second}


def test_a_mirror_that_cannot_be_made_anew_holds_what_it_cannot_judge(world: World) -> None:
    first = world.commit("one")
    world.stage(world.push(first)[1])
    stage = world.push(world.commit("two", parent=first))[1]
    shutil.rmtree(world.repository.path.parent / "git")
    world.repository.git("update-ref", "-d", "refs/heads/main")
    assert world.stage(stage).code == "not_descendant"
    assert world.live() == {"web": first} and set(world.states().values()) == {"deployed", "superseded"}


def test_nothing_is_switched_over_what_nobody_has_looked_at(world: World) -> None:
    first = world.commit("one")
    world.stage(world.push(first)[1])
    world.deploy(world.ask(release("web", "2")))
    world.deploy(world.say(f"deploy web@{first[:7]} to staging"))
    second = world.push(world.commit("two", parent=first))[1]

    def zombie(address: str, port: int, path: str | None, timeout: float) -> None:
        with world.database.begin() as session:
            session.get_one(EnvironmentRow, world.place).live_deployment_id = 2

    world.ctx = dataclasses.replace(world.ctx, probe=zombie)
    assert world.go(jobs.JobKind.STAGE, second) == "queued"
    assert world.live() == {"web": "2"}
    assert world.stage(second).code == "not_descendant"


def test_a_pinned_environment_is_left_alone_whatever_comes_after_it(world: World) -> None:
    first = world.commit("one")
    world.stage(world.push(first)[1])
    with world.database.begin() as session:
        environments.pin(session, world.place, by="bo", reason="testing")
    stage = world.stage(world.push(world.commit("two", parent=first))[1])
    assert stage.code == "pinned" and world.live() == {"web": first}
