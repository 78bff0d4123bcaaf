"""A worker that dies before or after any of its commits: the next one brings the same run to the same end, once."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from pipeline.errors import Rejected
from pipeline.push import Push
from runtime.transcripts import FileTranscripts
from store import jobs, runs
from store.schema import DeploymentRow, EnvironmentRow, InstanceRow, JobRow, MessageRow, RunRow, StageRow
from store.session import Database
from tests.conftest import MOMENT
from tests.rollout_world import World
from workers.crash import AFTER, BEFORE, Crashing
from workers.crash import database as armed
from workers.handlers import HANDLERS
from workers.steps import run_job

MOST = 60
MAIN = "refs/heads/main"


class Crash(BaseException):
    """The process has died; nothing in the house may catch this."""


def die() -> None:
    raise Crash


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)


def crash(world: World, url: str, stage: int, when: str, number: int) -> bool:
    """Do a stage's job in a process that dies at a commit; False if it was through before."""
    mortal = Crashing(url, when=when, number=number, die=die)
    with world.database.begin() as session:
        session.execute(update(JobRow).values(not_before=0.0))
        job = session.scalars(select(JobRow.id).where(JobRow.kind == "stage", JobRow.ref_id == stage)).one()
    try:
        run_job(dataclasses.replace(world.ctx, database=mortal), HANDLERS, job, "dies")
    except Crash:
        return True
    finally:
        mortal.dispose()
    return False


def heal(world: World, stage: int) -> None:
    """Let the dead worker's lease run out, another do its work, and the environment be mended until nothing drains."""
    with world.database.begin() as session:
        session.execute(update(JobRow).where(JobRow.state == "running").values(lease_until=0.0))
        jobs.reap(session)
    world.go(jobs.JobKind.STAGE, stage)
    while world.mend() != "done":
        pass


def count(world: World, table: Any, *where: Any) -> int:
    with world.database.read() as session:
        return session.scalar(select(func.count()).select_from(table).where(*where)) or 0


def check(world: World, run: int, revision: str, at: str) -> None:
    with world.database.read() as session:
        assert session.get_one(RunRow, run).state == "passed", at
        assert session.scalars(select(EnvironmentRow.holder_job_id)).one() is None, at
    assert world.live() == {"web": revision}, at
    assert count(world, DeploymentRow, DeploymentRow.run_id == run) == 1, at
    assert count(world, InstanceRow, InstanceRow.state == "live") == 1, at
    assert count(world, MessageRow, MessageRow.kind == "run", MessageRow.ref_id == run) == 1, at
    assert count(world, JobRow, JobRow.state == "running") == 0, at
    assert len(world.engine.there) == 1, (at, world.engine.there)


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_deployment_is_made_once_wherever_its_worker_dies(world: World, database_url: str, when: str) -> None:
    parent, number, crashed = None, 0, True
    while crashed and number < MOST:
        number += 1
        parent = world.commit(f"{when}-{number}", parent=parent)
        run, stage = world.push(parent)
        crashed = crash(world, database_url, stage, when, number)
        heal(world, stage)
        check(world, run, parent, f"{when} commit {number}")
    assert 6 < number < MOST
    if database_url.startswith("sqlite"):
        with world.database.read() as session:
            assert session.scalar(text("PRAGMA integrity_check")) == "ok"


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_commit_is_read_and_planned_once_wherever_its_worker_dies(
    world: World, database_url: str, when: str, tmp_path: Path
) -> None:
    world.ctx = dataclasses.replace(world.ctx, transcripts=FileTranscripts(tmp_path / "logs", limit=2**20))
    number, crashed = 0, True
    while crashed and number < MOST:
        number += 1
        revision = world.repository.commit({"Dockerfile": b"FROM x\n", "n": b"%d" % number}, ref=MAIN)
        with world.database.begin() as session:
            push = Push(ref=MAIN, before="", after=revision)
            run, _ = runs.create(session, world.project, push, trigger="push", at=MOMENT)
            source = session.scalars(select(StageRow.id).where(StageRow.run_id == run)).one()
        crashed = crash(world, database_url, source, when, number)
        with world.database.begin() as session:
            session.execute(update(JobRow).where(JobRow.state == "running").values(lease_until=0.0))
            jobs.reap(session)
        world.go(jobs.JobKind.STAGE, source)
        with world.database.read() as session:
            names = list(session.scalars(select(StageRow.name).where(StageRow.run_id == run).order_by(StageRow.id)))
            (build,) = session.scalars(select(StageRow.id).where(StageRow.run_id == run, StageRow.kind == "build"))
            assert session.get_one(RunRow, run).revision == revision
            begun = session.get_one(StageRow, source)
        if begun.attempt > 1:
            assert begun.reason.startswith("begun again after its worker died")
            said = world.ctx.transcripts.tail(run, "source", 50)
            assert "The worker of attempt 1 died. Begun again after its worker died." in said
        assert names[:2] == ["source", "build"] and len(names) == len(set(names))
        assert count(world, JobRow, JobRow.kind == "stage", JobRow.ref_id == build, JobRow.state == "queued") == 1
    assert 2 < number < MOST


def test_where_to_crash_is_said_well_or_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    assert isinstance(armed(url, lambda: None, "after:3"), Crashing)
    assert not isinstance(armed(url, lambda: None, ""), Crashing)
    for wrong in ("3", "after", "during:3", "after:x"):
        with pytest.raises(Rejected):
            armed(url, lambda: None, wrong)
