"""Deployments against each other: killed, tried again, overtaken, rolled back. SQL is real, the engine is not."""

from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import select, update

from control.speak import say
from pipeline.deployment import Cause, Release
from pipeline.errors import StageFailed, Unavailable
from pipeline.health import HealthCheck
from pipeline.images import Image
from pipeline.outcome import passed
from pipeline.project import Forge, Project
from pipeline.push import Push
from pipeline.stage import Kind, PlannedStage
from store import deployments, environments, images, jobs, projects, runs
from store.deployments import Asked
from store.schema import DeploymentRow, InstanceRow, JobRow, RouteRow, RunRow, StageRow
from store.session import Database
from tests import fakes
from tests.conftest import MOMENT
from workers import rollout
from workers.context import Context
from workers.handlers import HANDLERS
from workers.steps import run_job

CONFIG = {"version": 1, "name": "shop", "branch": "main", "stages": {}, "environments": {"staging": {}}}


class World:
    """One project with one environment, and workers that do one job at a time."""

    def __init__(self, database: Database, home: Path) -> None:
        self.ctx: Context = fakes.context(database, home)
        self.database = database
        with database.begin() as session:
            asked = Project(id=0, name="shop", url="/srv/shop.git", forge=Forge.GIT, secret="s")
            self.project = projects.add(session, asked, at=MOMENT)
            self.place = environments.ensure(session, self.project.id, "staging", at=MOMENT).id

    @property
    def engine(self) -> fakes.Engine:
        return cast(fakes.Engine, self.ctx.engine)

    @property
    def proxy(self) -> fakes.Proxy:
        return cast(fakes.Proxy, self.ctx.proxy)

    def ask(self, *releases: Release, named: frozenset[str] | None = None) -> int:
        """Ask for a deployment as a person does."""
        with self.database.begin() as session:
            asked = Asked(
                project_id=self.project.id,
                environment_id=self.place,
                releases=releases,
                cause=Cause.CHAT,
                actor="ana",
                named=named,
            )
            made = deployments.create(session, asked, at=MOMENT)
            jobs.add(session, jobs.JobKind.DEPLOYMENT, made, at=MOMENT)
            return made

    def go(self, kind: jobs.JobKind, ref_id: int) -> str:
        """Do a job as if it were due, and return its state."""
        mine = (JobRow.kind == kind) & (JobRow.ref_id == ref_id)
        with self.database.begin() as session:
            session.execute(update(JobRow).where(mine).values(not_before=0.0))
            number = session.scalars(select(JobRow.id).where(mine)).one()
        run_job(self.ctx, HANDLERS, number, "tests")
        with self.database.read() as session:
            return session.scalars(select(JobRow.state).where(mine)).one()

    def deploy(self, made: int) -> str:
        return self.go(jobs.JobKind.DEPLOYMENT, made)

    def mend(self) -> str:
        with self.database.begin() as session:
            jobs.add(session, jobs.JobKind.MEND, self.place, at=MOMENT)
        return self.go(jobs.JobKind.MEND, self.place)

    def say(self, line: str) -> int:
        """Say a line and return the deployment it started, or 0."""
        reply = say(self.database, line, actor="ana@example.test", channel="#deploys", at=MOMENT).reply
        return next(iter(reply.deployments), 0)

    def states(self) -> dict[int, str]:
        with self.database.read() as session:
            return {row.id: row.state for row in session.scalars(select(DeploymentRow))}

    def live(self) -> dict[str, str]:
        """Return what serves: the revision's first letter of each service."""
        with self.database.read() as session:
            current = deployments.live(session, self.place)
            return {one.service: one.revision[0] for one in current.releases} if current else {}

    def serving(self) -> set[str]:
        """Return the revisions that the proxy sends requests to."""
        with self.database.read() as session:
            rows = session.execute(
                select(InstanceRow.id, DeploymentRow.releases).join(
                    DeploymentRow, DeploymentRow.id == InstanceRow.deployment_id
                )
            )
            return {row[1][0]["revision"][0] for row in rows if f"i{row[0]}" in self.proxy.open}

    def hosts(self) -> dict[str, list[str]]:
        with self.database.read() as session:
            return {row.service: row.hosts for row in session.scalars(select(RouteRow))}

    def push(self, letter: str) -> tuple[int, int]:
        """Make a run that was built and whose next stage deploys; return the run and that stage."""
        with self.database.begin() as session:
            push = Push(ref="refs/heads/main", before="", after=letter * 40)
            run, _ = runs.create(session, self.project, push, trigger="push", at=MOMENT)
            spec = {"to": "staging", "services": ["web"]}
            runs.plan(session, run, [PlannedStage(name="staging", kind=Kind.DEPLOY, needs=("source",), spec=spec)])
            image = Image(service="web", name="reg/web", revision=letter * 40, digest=f"sha256:{letter * 64}")
            images.record(session, self.project.id, image, port=80, builder="x", run_id=run, at=MOMENT)
            images.tested(session, self.project.id, letter * 40)
            session.get_one(RunRow, run).config = CONFIG | {"services": {"web": {}}}
            named = {row.name: row.id for row in session.scalars(select(StageRow).where(StageRow.run_id == run))}
            runs.end(session, named["source"], passed(), at=MOMENT)
            return run, named["staging"]


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


def release(service: str, letter: str, *, main: bool = False) -> Release:
    return Release(
        service=service,
        revision=letter * 40,
        image=f"reg/{service}@sha256:{letter * 64}",
        port=80,
        health=HealthCheck(within=1.0),
        main=main,
    )


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
    _, older = world.push("a")
    _, newer = world.push("b")
    world.engine.faults = [Unavailable("the engine hiccups", code="engine_error")]
    assert world.go(jobs.JobKind.STAGE, older) == "queued"
    with world.database.begin() as session:
        environments.pin(session, world.place, by="bo", reason="testing")
    assert world.go(jobs.JobKind.STAGE, older) == "done"
    assert world.go(jobs.JobKind.STAGE, newer) == "done"
    assert set(world.states().values()) == {"superseded"}
    with world.database.begin() as session:
        environments.resume(session, world.place)
    assert world.deploy(world.say("deploy web@aaaaaaa to staging")) == "done"
    assert world.live() == {"web": "a"}


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
    _, stage = world.push("a")
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
