"""A project with one environment and real git, for tests of what is deployed over what. The engine is not real."""

import dataclasses
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from control.speak import say
from pipeline.deployment import Cause, Release
from pipeline.health import HealthCheck
from pipeline.images import Image
from pipeline.outcome import passed
from pipeline.project import Forge, Project
from pipeline.push import HEADS, Push
from pipeline.stage import Kind, PlannedStage
from runtime.source import GitSource
from store import deployments, environments, images, jobs, projects, runs
from store.deployments import Asked
from store.schema import DeploymentRow, InstanceRow, JobRow, RouteRow, RunRow, StageRow
from store.session import Database
from tests import fakes
from tests.conftest import MOMENT
from tests.repositories import Repository
from workers.context import Context
from workers.handlers import HANDLERS
from workers.steps import run_job

CONFIG: dict[str, Any] = {"version": 1, "name": "shop", "branch": "main", "stages": {}, "environments": {"staging": {}}}


class World:
    """One project with one environment, and workers that do one job at a time."""

    def __init__(self, database: Database, home: Path) -> None:
        source = GitSource(home / "git", local_paths=True)
        self.ctx: Context = dataclasses.replace(fakes.context(database, home), source=source)
        self.database = database
        self.repository = Repository.make(home / "shop.git")
        with database.begin() as session:
            asked = Project(id=0, name="shop", url=self.repository.url, forge=Forge.GIT, secret="s")
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
        """Do a job as if it were due, and nothing that follows it, and return its state."""
        self.ctx.leaving.set()
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
        """Return what serves: the revision of each service, its first letter if it is all of one."""
        with self.database.read() as session:
            current = deployments.live(session, self.place)
            return {one.service: _brief(one.revision) for one in current.releases} if current else {}

    def serving(self) -> set[str]:
        """Return the revisions that the proxy sends requests to."""
        with self.database.read() as session:
            rows = session.execute(
                select(InstanceRow.id, DeploymentRow.releases).join(
                    DeploymentRow, DeploymentRow.id == InstanceRow.deployment_id
                )
            )
            return {_brief(row[1][0]["revision"]) for row in rows if f"i{row[0]}" in self.proxy.open}

    def hosts(self) -> dict[str, list[str]]:
        with self.database.read() as session:
            return {row.service: row.hosts for row in session.scalars(select(RouteRow))}

    def commit(self, word: str, *, parent: str | None = None, branch: str = "main") -> str:
        """Put a commit on a branch, whatever was there, bring it into the mirror and return its revision."""
        ref = f"{HEADS}{branch}"
        revision = self.repository.commit({"word": word.encode()}, parent=parent, ref=ref)
        self.ctx.source.tip(self.project.name, self.project.url, ref)
        return revision

    def push(self, revision: str, *, branch: str = "main", config: dict[str, Any] = CONFIG) -> tuple[int, int]:
        """Make a run of web, which was built, and whose next stage deploys web; return the run and that stage."""
        with self.database.begin() as session:
            push = Push(ref=f"{HEADS}{branch}", before="", after=revision)
            run, _ = runs.create(session, self.project, push, trigger="push", at=MOMENT)
            spec = {"to": "staging", "services": ["web"]}
            runs.plan(session, run, [PlannedStage(name="staging", kind=Kind.DEPLOY, needs=("source",), spec=spec)])
            self.built(session, run, revision)
            session.get_one(RunRow, run).config = {"services": {"web": {}}} | config
            named = {row.name: row.id for row in session.scalars(select(StageRow).where(StageRow.run_id == run))}
            runs.end(session, named["source"], passed(), at=MOMENT)
            return run, named["staging"]

    def stage(self, stage_id: int) -> StageRow:
        """Do a stage's job and return the stage."""
        self.go(jobs.JobKind.STAGE, stage_id)
        with self.database.read() as session:
            return session.get_one(StageRow, stage_id)

    def built(self, session: Session, run: int, revision: str) -> None:
        """Note an image of web that a run has built."""
        image = Image(service="web", name="reg/web", revision=revision, digest=f"sha256:{revision:0<64}")
        images.record(session, self.project.id, image, images.Made(port=80, builder="x"), run_id=run, at=MOMENT)
        images.tested(session, self.project.id, revision)


def _brief(revision: str) -> str:
    return revision if len(set(revision)) > 1 else revision[0]


def release(service: str, letter: str, *, main: bool = False) -> Release:
    return Release(
        service=service,
        revision=letter * 40,
        image=f"reg/{service}@sha256:{letter * 64}",
        port=80,
        health=HealthCheck(within=1.0),
        main=main,
    )
