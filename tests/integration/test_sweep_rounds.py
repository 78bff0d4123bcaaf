"""When repositories are looked at: in turns, at once when Slipway starts, seldom where a host is away."""

import dataclasses
import shutil
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from pipeline.project import Forge, Project
from runtime.source import GitSource
from store import jobs, projects
from store.schema import JobRow, ProjectRow
from store.session import Database, now
from tests.git_https import make_certificate, serving
from tests.parts import need
from tests.sweep_world import FILES, MAIN, World
from workers.clock import Clock
from workers.handlers import HANDLERS
from workers.steps import run_job


@pytest.fixture
def world(database: Database, tmp_path: Path, moment: datetime) -> Iterator[World]:
    need("git")
    yield World(database, tmp_path, moment)


def test_f30_a_host_that_is_away_is_left_alone_longer_each_time_and_then_asked_again(
    world: World, tmp_path: Path
) -> None:
    first = world.remote.commit(FILES)
    world.look()
    seen_at = world.moment
    world.moment += timedelta(hours=1)
    away = tmp_path / "away"
    shutil.move(world.remote.path, away)
    delays = []
    with capture_logs() as logs:
        for _ in range(6):
            assert world.look() == "queued"
            delays.append(wait(world))
    assert {(line["event"], line["code"]) for line in logs} == {("not_looked_at", "source_unavailable")}
    for delay, expected in zip(delays, (360, 720, 1440, 1800, 1800, 1800), strict=True):
        assert 0.8 * expected - 30 <= delay <= 1.2 * expected
    with world.database.read() as session:
        assert session.get_one(ProjectRow, world.project.id).swept_at == seen_at
    shutil.move(away, world.remote.path)
    second = world.remote.commit(FILES | {"a": b"1"}, parent=first)
    world.sweep()
    assert world.runs == [(MAIN, second, "sweep")]
    world.look()
    shutil.move(world.remote.path, away)
    world.look()
    assert wait(world) <= 1.2 * 360  # what failed before the looks that succeeded does not count


def test_a_look_that_finds_news_after_failures_forgets_them(world: World, tmp_path: Path) -> None:
    world.look()
    away = tmp_path / "away"
    shutil.move(world.remote.path, away)
    for _ in range(3):
        world.look()
    shutil.move(away, world.remote.path)
    world.remote.commit(FILES)
    assert world.look() == "queued"
    shutil.move(world.remote.path, away)
    world.look()
    assert wait(world) <= 1.2 * 360


def test_an_address_that_may_not_be_fetched_from_is_not_looked_at(world: World) -> None:
    with world.database.begin() as session:
        session.execute(update(ProjectRow).values(url="https://127.0.0.1/shop.git"))
    with capture_logs() as logs:
        assert world.look() == "queued"
    assert [line["code"] for line in logs] == ["private_address"]


def test_a_project_that_is_gone_is_not_looked_at_again(world: World) -> None:
    with world.database.begin() as session:
        jobs.add(session, jobs.JobKind.SWEEP, 99, at=world.moment)
        number = session.scalars(select(JobRow.id).where(JobRow.ref_id == 99)).one()
    with capture_logs() as logs:
        run_job(world.ctx, HANDLERS, number, "tests")
    assert [line["code"] for line in logs] == ["not_found"]
    assert waiting(world) == {99: "done"}


class Bell:
    def wait(self, timeout: float) -> bool:
        return True


class Queues:
    def send(self, handed: object) -> None:
        """Lose it."""


def clock(world: World, seconds: float = 100.0) -> Clock:
    return Clock(database=world.database, queues=Queues(), bell=Bell(), sweep_seconds=seconds)  # type: ignore[arg-type]


def waiting(world: World) -> dict[int, str]:
    with world.database.read() as session:
        rows = session.execute(select(JobRow.ref_id, JobRow.state).where(JobRow.kind == jobs.JobKind.SWEEP))
        return {row.ref_id: row.state for row in rows}


def wait(world: World) -> float:
    """Return how many seconds the next look is away."""
    with world.database.read() as session:
        away = select(JobRow.not_before - now()).where(JobRow.kind == jobs.JobKind.SWEEP)
        return session.scalars(away).one()


def rest(world: World, seconds: float) -> None:
    """End every look as if it had been so many seconds ago."""
    with world.database.begin() as session:
        ended = session.scalar(select(now())) or 0.0
        values = {"state": "done", "not_before": ended - seconds}
        session.execute(update(JobRow).where(JobRow.kind == jobs.JobKind.SWEEP).values(**values))


def test_the_clock_has_every_project_looked_at_when_it_starts_but_not_all_at_once(world: World) -> None:
    with world.database.begin() as session:
        for number in range(20):
            asked = Project(id=0, name=f"p{number}", url=world.remote.url, forge=Forge.GIT, secret="s")
            projects.add(session, asked, at=world.moment)
    clock(world).tick()
    assert set(waiting(world).values()) == {"queued"}
    assert len(waiting(world)) == 21
    with world.database.read() as session:
        due = session.scalars(select(JobRow.not_before).where(JobRow.kind == jobs.JobKind.SWEEP)).all()
    assert 5 < max(due) - min(due) <= 20


def test_the_clock_lets_a_project_rest_and_then_has_it_looked_at_again(world: World) -> None:
    mine = clock(world)
    mine.tick()
    for seconds, state in ((79, "done"), (121, "queued")):
        rest(world, seconds)
        mine._reaped = -1e9
        mine.tick()
        assert waiting(world) == {world.project.id: state}


def test_a_project_that_was_added_since_is_looked_at_too(world: World) -> None:
    mine = clock(world)
    mine.tick()
    with world.database.begin() as session:
        asked = Project(id=0, name="new", url=world.remote.url, forge=Forge.GIT, secret="s")
        added = projects.add(session, asked, at=world.moment)
    mine._reaped = -1e9
    mine.tick()
    assert added.id in waiting(world)


def test_a_clock_that_is_told_never_asks_for_no_look(world: World) -> None:
    clock(world, seconds=0.0).tick()
    assert waiting(world) == {}


def test_a_clock_that_starts_brings_forward_the_looks_at_hosts_that_were_away(world: World) -> None:
    shutil.rmtree(world.remote.path)
    world.look()
    assert wait(world) > 60
    mine = clock(world)
    mine.tick()
    assert wait(world) <= 20
    world.look()
    assert wait(world) > 60
    mine._reaped = -1e9
    mine.tick()
    assert wait(world) > 60


def test_a_host_that_does_not_answer_costs_one_look_whatever_else_it_has(world: World, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    source = GitSource(tmp_path / "git", local_paths=True, private_addresses=True, glance=0.3)
    world.ctx = dataclasses.replace(world.ctx, source=source)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        away = f"https://127.0.0.1:{mute.getsockname()[1]}/shop.git"
        with world.database.begin() as session:
            session.execute(update(ProjectRow).values(url=away))
            for name, url in (("same", away.replace("shop", "same")), ("other", world.remote.url)):
                asked = Project(id=0, name=name, url=url, forge=Forge.GIT, secret="s")
                added = projects.add(session, asked, at=world.moment)
                jobs.add(session, jobs.JobKind.SWEEP, added.id, at=world.moment)
        with capture_logs() as logs:
            assert world.look() == "queued"
        assert [line["code"] for line in logs] == ["git_timeout"]
    same, other = waits(world)[2], waits(world)[3]
    assert 0.8 * 180 - 30 <= same <= 1.2 * 180
    assert other <= 0
    world.remote.git("update-server-info")
    with serving(world.remote.path.parent, certificate) as (address, _), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_SSL_CAINFO", f"{certificate}.crt")
        patch.setenv("no_proxy", "127.0.0.1")
        world.ctx = dataclasses.replace(world.ctx, source=GitSource(tmp_path, local_paths=True, private_addresses=True))
        with world.database.begin() as session:
            session.execute(update(ProjectRow).where(ProjectRow.name == "shop").values(url=f"{address}/shop.git"))
        assert world.look() == "done"
    assert waits(world)[2] <= 10


def waits(world: World) -> dict[int, float]:
    """Return how many seconds away the next look at each project is."""
    with world.database.read() as session:
        away = select(JobRow.ref_id, JobRow.not_before - now()).where(JobRow.kind == jobs.JobKind.SWEEP)
        return {row[0]: row[1] for row in session.execute(away)}
