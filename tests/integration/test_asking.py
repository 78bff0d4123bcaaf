"""Runs and sweeps of private repositories: the project's account lets them in, from the sealed token to the fetch."""

import dataclasses
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from notify.forge_faults import AccountRefused
from pipeline.forge_account import Account
from pipeline.forge_ports import Forges, Teller
from pipeline.project import Forge
from pipeline.push import Push
from runtime.source import GitSource
from runtime.transcripts import FileTranscripts
from store import accounts, jobs, runs
from store.schema import DeliveryRow, ForgeAccountRow, JobRow, MessageRow, ProjectRow, RunRow, StageRow
from store.sealing import seal_of
from store.session import Database
from tests.conftest import MOMENT
from tests.git_https import make_certificate, serving
from tests.rollout_world import World

MAIN = "refs/heads/main"
TOKEN, NEWER = "s3cr3t-t0ken-of-shop", "b0ught-anew"


class Installations:
    """GitHub as an App's key sees it: each time it buys another token."""

    pause = 0.0

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)

    def session(self, account: Account, key: str) -> tuple[str, datetime]:
        assert key == "the App's key"
        return self.tokens.pop(0), datetime.now(UTC) + timedelta(hours=1)

    def teller(self, account: Account, secret: str) -> Teller:
        raise AssertionError("nobody is told anything here")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def _trusting(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSL_CAINFO", f"{certificate}.crt")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    made = World(database, tmp_path)
    source = GitSource(tmp_path / "git", local_paths=False, private_addresses=True)
    transcripts = FileTranscripts(tmp_path / "transcripts", limit=10_000)
    made.ctx = dataclasses.replace(made.ctx, source=source, seal=seal_of(tmp_path), transcripts=transcripts)
    made.repository.commit({"Dockerfile": b"FROM scratch\n"})
    made.repository.git("update-server-info")
    return made


@contextmanager
def hosted(world: World, certificate: Path, token: str = "") -> Iterator[list[str]]:
    """Serve the repository over https, to those with the token alone if one is given."""
    wanted = f"Basic {b64encode(f'x-access-token:{token}'.encode()).decode()}" if token else ""
    with serving(world.repository.path.parent, certificate, wanted=wanted) as (address, asked):
        with world.database.begin() as session:
            session.execute(update(ProjectRow).values(url=f"{address}/shop.git", forge=Forge.GITHUB))
            session.execute(update(ForgeAccountRow).values(api_url=f"{address}/api/v3"))
        yield asked


def connect(world: World, address: str, secret: str = TOKEN, app: int | None = None) -> None:
    account = Account(
        forge=Forge.GITHUB, api_url=address, repository="acme/shop", app_id=app, installation_id=app and 7
    )
    with world.database.begin() as session:
        sealed = world.ctx.seal.close(secret, owner=accounts.owner("shop", account))
        accounts.put(session, world.project.id, account, sealed)


def api(world: World) -> str:
    with world.database.read() as session:
        return session.scalars(select(ProjectRow.url)).one().replace("/shop.git", "/api/v3")


def look(world: World) -> RunRow:
    """Do the source stage of a push's run, and return the run."""
    revision = world.repository.git("rev-parse", MAIN)
    with world.database.begin() as session:
        push = Push(ref=MAIN, before="0" * 40, after=revision)
        run = runs.create(session, world.project, push, trigger="push", at=MOMENT)[0]
        stage = session.scalars(select(StageRow.id).where(StageRow.run_id == run)).one()
    world.go(jobs.JobKind.STAGE, stage)
    with world.database.read() as session:
        return session.get_one(RunRow, run)


def attempts(world: World) -> int:
    with world.database.read() as session:
        return session.scalars(select(JobRow.attempt).where(JobRow.kind == jobs.JobKind.STAGE)).first() or 0


def test_G11_a_private_repository_is_run_and_its_token_is_in_no_record(
    world: World, certificate: Path, tmp_path: Path
) -> None:
    with capture_logs() as logs, hosted(world, certificate, TOKEN) as asked:
        connect(world, api(world))
        run = look(world)
        assert asked
    assert (run.state, run.revision) == ("running", world.repository.git("rev-parse", MAIN))
    secrets = [TOKEN.encode(), b64encode(f"x-access-token:{TOKEN}".encode())]
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert any("transcripts" in path.parts for path in kept)
    assert not [path for path, text in kept.items() if any(secret in text for secret in secrets)]
    with world.database.read() as session:
        tables = (RunRow, StageRow, JobRow, DeliveryRow, MessageRow, ForgeAccountRow, ProjectRow)
        rows = [vars(row) for table in tables for row in session.scalars(select(table))]
    assert not any(secret in repr((rows, logs)).encode() for secret in secrets)


def test_a_token_that_is_refused_ends_the_run_at_once_and_says_what_to_do(world: World, certificate: Path) -> None:
    with hosted(world, certificate, "another") as asked:
        connect(world, api(world))
        run = look(world)
        assert len(asked) <= 4
    assert (run.state, run.code, attempts(world)) == ("error", "source_forbidden", 1)
    assert "refuses the token of shop: set another with ./slipway project token shop" in run.reason


def test_a_private_repository_without_a_token_is_said_to_want_one(world: World, certificate: Path) -> None:
    with hosted(world, certificate, TOKEN):
        run = look(world)
    assert (run.state, run.code) == ("error", "source_forbidden")
    assert "wants a token: give it one with ./slipway project token shop" in run.reason


def test_a_public_repository_is_fetched_although_its_token_has_run_out(
    world: World, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub refuses a token that has run out even where none is needed."""
    with hosted(world, certificate) as asked:
        connect(world, api(world))
        monkeypatch.setattr("tests.git_https.Files.refuses", True)
        with capture_logs() as logs:
            run = look(world)
        assert asked
    assert run.state == "running"
    assert {(line["event"], line["code"]) for line in logs if line["log_level"] == "warning"} == {
        ("token_not_taken", "source_forbidden")
    }
    assert TOKEN not in repr(logs)


def test_a_token_sealed_with_another_key_is_said_to_be(world: World, certificate: Path, tmp_path: Path) -> None:
    with hosted(world, certificate, TOKEN):
        connect(world, api(world))
        (tmp_path / "other").mkdir()
        world.ctx = dataclasses.replace(world.ctx, seal=seal_of(tmp_path / "other"))
        run = look(world)
    assert (run.state, run.code, attempts(world)) == ("error", "wrong_key", 1)


@pytest.mark.parametrize(("bought", "left"), [([NEWER], []), (["taken back", NEWER], [])])
def test_an_apps_token_that_was_taken_back_is_bought_anew(
    world: World, certificate: Path, bought: list[str], left: list[str]
) -> None:
    forges = Installations(*bought)
    world.ctx = dataclasses.replace(world.ctx, forges=cast(Forges, forges))
    with hosted(world, certificate, NEWER):
        connect(world, api(world), "the App's key", app=11)
        if len(bought) > 1:
            keep(world, forges.tokens.pop(0))
        assert look(world).state == "running"
    assert forges.tokens == left


def test_an_app_that_is_not_let_in_buys_no_more_than_once(world: World, certificate: Path) -> None:
    forges = Installations("bought earlier", "of no use", "not to be bought")
    world.ctx = dataclasses.replace(world.ctx, forges=cast(Forges, forges))
    with hosted(world, certificate, NEWER):
        connect(world, api(world), "the App's key", app=11)
        keep(world, forges.tokens.pop(0))
        run = look(world)
    assert (run.state, run.code, forges.tokens) == ("error", "source_forbidden", ["not to be bought"])


def test_a_sweep_of_a_private_repository_is_let_in_too(world: World, certificate: Path) -> None:
    with hosted(world, certificate, TOKEN):
        connect(world, api(world))
        with world.database.begin() as session:
            jobs.add(session, jobs.JobKind.SWEEP, world.project.id, at=MOMENT)
        assert world.go(jobs.JobKind.SWEEP, world.project.id) == "done"
    with world.database.read() as session:
        assert session.get_one(ProjectRow, world.project.id).swept_at is not None


def keep(world: World, token: str) -> None:
    """Have a token bought some time ago."""
    with world.database.begin() as session:
        held = accounts.find(session, world.project.id)
        assert held is not None
        until = datetime.now(UTC) + timedelta(hours=1)
        accounts.keep_session(session, held, world.ctx.seal.close(token, owner=held.owner), until)


def test_a_sweep_that_is_not_let_in_is_put_off_and_says_what_to_do(world: World, certificate: Path) -> None:
    with hosted(world, certificate, "another"), capture_logs() as logs:
        connect(world, api(world))
        with world.database.begin() as session:
            jobs.add(session, jobs.JobKind.SWEEP, world.project.id, at=MOMENT)
        assert world.go(jobs.JobKind.SWEEP, world.project.id) == "queued"
    said = [(line["event"], line["code"]) for line in logs]
    assert said == [("not_looked_at", "source_forbidden")]
    assert "set another with ./slipway project token shop" in logs[0]["detail"] and logs[0]["again_in"] >= 240


def test_a_token_that_the_hosts_api_did_not_know_is_not_shown_to_its_git(world: World, certificate: Path) -> None:
    with hosted(world, certificate, "another") as asked:
        connect(world, api(world))
        with world.database.begin() as session:
            held = accounts.find(session, world.project.id)
            assert held is not None
            accounts.broke(session, held, AccountRefused("127.0.0.1 does not take the token"))
        run = look(world)
        assert len(asked) == 1
    assert (run.state, run.code) == ("error", "source_forbidden")
    assert "does not take the token: set another with ./slipway project token shop" in run.reason


def test_a_token_that_somebody_committed_is_masked_where_the_commit_is_told(
    world: World, certificate: Path, tmp_path: Path
) -> None:
    said = b64encode(f"bot:{TOKEN}".encode()).decode()
    world.repository.commit({"Dockerfile": b"FROM scratch\n"}, message=f"Use {TOKEN}, {said}")
    world.repository.git("update-server-info")
    with hosted(world, certificate, TOKEN):
        connect(world, api(world))
        run = look(world)
    told = (tmp_path / "transcripts" / f"r{run.id}" / "source.log").read_text()
    assert "Use [masked], " in told
    assert TOKEN not in told and said[8:] not in told
