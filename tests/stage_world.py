"""One project whose stages run on the real engine, for tests of what surrounds a stage's command."""

import dataclasses
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import select

from pipeline.containers import HOME, Limits
from pipeline.ports import Engine
from runtime.artifacts import FileArtifacts
from runtime.probe import http_probe
from runtime.source import GitSource
from runtime.transcripts import FileTranscripts
from store import artifacts, jobs, tests
from store.schema import JobRow, ProjectRow, StageRow
from store.sealing import seal_of
from store.session import Database
from tests import factories, fakes
from tests.repositories import Repository
from workers.context import Context, Tests
from workers.handlers import HANDLERS
from workers.steps import run_job


class StageWorld:
    """A home with a project, in which stages are made and done one by one."""

    def __init__(self, database: Database, folder: Path, *, engine: Engine, home: str) -> None:
        self.database, self.folder, self.home, self.engine = database, folder, home, engine
        self.repository = Repository.make(folder / "shop.git")
        self.runs = 0
        self.ctx = self._context()
        with database.begin() as session:
            self.project = factories.project(session, url=self.repository.url).id

    def revision(self, files: Mapping[str, bytes] | None = None) -> str:
        """Return a commit of the main branch with these files, brought into the mirror."""
        revision = self.repository.commit(dict(files or {"readme": b"shop"}), ref="refs/heads/main")
        self.ctx.source.tip("shop", self.repository.url, "refs/heads/main")
        return revision

    def stage(self, spec: Mapping[str, Any], *, kind: str = "task", revision: str = "", **values: Any) -> int:
        """Make a run of one stage and return the stage's id."""
        self.runs += 1
        with self.database.begin() as session:
            project = session.get_one(ProjectRow, self.project)
            run = factories.run(
                session,
                project,
                word=f"run {self.runs}",
                key=f"run {self.runs}",
                state="running",
                revision=revision or factories.revision(f"run {self.runs}"),
                **values,
            )
            made = factories.stage(
                session, run, name="unit", kind=kind, state="queued", attempt=0, spec=dict(spec), finished_at=None
            )
            jobs.add(session, jobs.JobKind.STAGE, made.id, at=factories.NOW)
            return made.id

    def do(self, stage: int) -> StageRow:
        """Do a stage's job and return the stage as it ended."""
        mine = (JobRow.kind == jobs.JobKind.STAGE) & (JobRow.ref_id == stage)
        with self.database.begin() as session:
            row = session.scalars(select(JobRow).where(mine)).one()
            row.not_before = 0.0
            number = row.id
        run_job(self.ctx, HANDLERS, number, "tests")
        return self.row(stage)

    def run(self, spec: Mapping[str, Any], **values: Any) -> StageRow:
        """Make a run of one stage, do it, and return the stage as it ended."""
        return self.do(self.stage(spec, **values))

    def row(self, stage: int) -> StageRow:
        """Return a stage as it stands."""
        with self.database.read() as session:
            return session.get_one(StageRow, stage)

    def meanwhile(self, spec: Mapping[str, Any], act: Callable[[int], None]) -> StageRow:
        """Do something while a stage is at work."""
        stage = self.stage(spec)
        with ThreadPoolExecutor(1) as pool:
            doing = pool.submit(self.do, stage)
            act(stage)
            return doing.result(timeout=120)

    def transcript(self, stage: StageRow) -> list[str]:
        """Return what a stage has written."""
        text = b"".join(FileTranscripts(self.folder / "transcripts", limit=2**20).chunks(stage.run_id, stage.name))
        return text.decode().splitlines()

    def results(self, stage: StageRow) -> tuple[tests.Result, ...]:
        """Return the tests of a stage's run."""
        with self.database.read() as session:
            return tests.of_run(session, stage.run_id)

    def kept(self, stage: StageRow) -> dict[str, bytes]:
        """Return the artifacts of a stage's run."""
        with self.database.read() as session:
            found = artifacts.of_run(session, stage.run_id)
        return {one.path: artifacts.path(self.folder / "artifacts", one).read_bytes() for one in found}

    def left(self) -> list[str]:
        """Return the containers of this home that are still there."""
        return [one.name for one in self.engine.containers({HOME: self.home}) if "-r" in one.name]

    def _context(self) -> Context:
        (self.folder / "keys").mkdir()
        return dataclasses.replace(
            fakes.context(self.database, self.folder),
            home=self.home,
            engine=self.engine,
            probe=http_probe,
            source=GitSource(self.folder / "git", local_paths=True),
            transcripts=FileTranscripts(self.folder / "transcripts", limit=2**20),
            artifacts=FileArtifacts(self.folder / "artifacts"),
            seal=seal_of(self.folder / "keys", None),
            test_limits=Limits(seconds=120, silence=120),
            memory=256 * 1024**2,
            tests=Tests(artifact_bytes=2**20, artifact_count=5),
        )
