"""A project in a real repository without any hook, and a worker that looks at it when told."""

import dataclasses
from datetime import datetime
from pathlib import Path

from sqlalchemy import select, update

from control.found import take_in_seen
from pipeline.looking import SECOND_LOOK
from pipeline.project import Forge, Project
from pipeline.push import Push
from runtime.source import GitSource
from store import jobs, projects
from store.schema import DeliveryRow, JobRow, ProjectRow, RefHeadRow, RunRow
from store.session import Database
from tests import fakes
from tests.repositories import Repository
from workers.handlers import HANDLERS
from workers.steps import run_job

MAIN = "refs/heads/main"
FILES = {"Dockerfile": b"FROM scratch\n"}


class World:
    """A project in a repository without any hook, and a worker whose clock is moved by hand."""

    def __init__(self, database: Database, home: Path, moment: datetime) -> None:
        self.database = database
        self.moment = moment
        self.remote = Repository.make(home / "shop.git")
        source = GitSource(home / "git", local_paths=True)
        context = fakes.context(database, home)
        self.ctx = dataclasses.replace(context, source=source, now=lambda: self.moment)
        with database.begin() as session:
            asked = Project(id=0, name="shop", url=self.remote.url, forge=Forge.GITLAB, secret="s")
            self.project = projects.add(session, asked, at=moment)

    def look(self) -> str:
        """Look once, as if it were due, and return the state of the job."""
        mine = (JobRow.kind == jobs.JobKind.SWEEP) & (JobRow.ref_id == self.project.id)
        with self.database.begin() as session:
            jobs.add(session, jobs.JobKind.SWEEP, self.project.id, at=self.moment)
            session.execute(update(JobRow).where(mine).values(not_before=0.0))
            number = session.scalars(select(JobRow.id).where(mine)).one()
        run_job(self.ctx, HANDLERS, number, "tests")
        with self.database.read() as session:
            return session.scalars(select(JobRow.state).where(mine)).one()

    def sweep(self) -> None:
        """Look, and once more when it is time for it."""
        self.look()
        self.moment += SECOND_LOOK
        assert self.look() == "done"

    def hear(self, push: Push, key: str) -> None:
        """Hear of a push, as from a webhook."""
        with self.database.begin() as session:
            take_in_seen(session, self.project, push, look=key, at=self.moment, channel="#deploys")

    @property
    def runs(self) -> list[tuple[str, str, str]]:
        """Every run: its ref, its commit, what started it."""
        with self.database.read() as session:
            rows = session.execute(select(RunRow.ref, RunRow.revision, RunRow.trigger).order_by(RunRow.id))
            return [(row.ref, row.revision, row.trigger) for row in rows]

    @property
    def deliveries(self) -> list[tuple[str, str, str]]:
        """Every delivery: where it came from, what it was, why."""
        with self.database.read() as session:
            rows = session.execute(
                select(DeliveryRow.source, DeliveryRow.code, DeliveryRow.detail).order_by(DeliveryRow.id)
            )
            return [(row.source, row.code, row.detail) for row in rows]

    @property
    def recovered(self) -> int:
        with self.database.read() as session:
            return session.get_one(ProjectRow, self.project.id).recovered

    @property
    def heads(self) -> dict[str, str]:
        with self.database.read() as session:
            rows = session.execute(select(RefHeadRow.ref, RefHeadRow.revision))
            return {row.ref: row.revision for row in rows}
