"""What a configuration names beside itself, in real commits: what is missing is said before anything is built."""

import dataclasses
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.push import Push
from runtime.transcripts import FileTranscripts
from store import runs
from store.schema import StageRow
from store.session import Database
from tests.conftest import MOMENT
from tests.parts import need
from tests.rollout_world import CONFIG, World

RESTORE = b"""\
services: {web: , db: {image: postgres}}
stages:
  build: {build: all}
  test:
    test:
      in: web
      run: x
      with: [db]
      restore: {into: db, file: %s, run: psql}
"""


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    need("git")
    world = World(database, tmp_path)
    world.ctx = dataclasses.replace(world.ctx, transcripts=FileTranscripts(tmp_path / "transcripts", limit=2**20))
    return world


def source(world: World, word: str) -> StageRow:
    """Do the source stage of a commit that restores from a file of this name."""
    files = {"slipway.yml": RESTORE % word.encode(), "Dockerfile": b"FROM scratch\n", "tests/large.sql": b"x" * 2**21}
    revision = world.repository.commit(files, ref="refs/heads/main")
    with world.database.begin() as session:
        push = Push(ref="refs/heads/main", before="", after=revision)
        run, _ = runs.create(session, world.project, push, trigger="push", at=MOMENT)
        stage = session.scalars(select(StageRow.id).where(StageRow.run_id == run)).one()
    return world.stage(stage)


def test_a_file_to_restore_from_that_is_not_there_is_missed_before_anything_is_built(world: World) -> None:
    stage = source(world, "tests/nope.sql")
    assert (stage.state, stage.code) == ("failed", "bad_config")
    assert stage.reason == "slipway.yml:9 stages.test: there is no tests/nope.sql here"
    assert source(world, "tests/large.sql").state == "passed"


def test_a_deployment_says_which_services_nobody_runs_there(world: World) -> None:
    stages = {"build": {"build": "all"}, "staging": {"deploy": {"to": "staging"}, "needs": ["build"]}}
    services = {"web": {"depends_on": ["redis"]}, "redis": {"image": "slipway/base-redis:local"}}
    revision = world.commit("one")
    run, stage = world.push(revision, config=CONFIG | {"services": services, "stages": stages})
    assert world.stage(stage).state == "passed"
    said = b"".join(world.ctx.transcripts.chunks(run, "staging")).decode()  # type: ignore[attr-defined]
    assert "warning: web depends on redis, which is not deployed: " in said
