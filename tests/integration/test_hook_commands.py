"""`slipway hook deliveries|redeliver|test` against a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from commands.hooks import hook
from pipeline.errors import NotFound, Unavailable
from pipeline.project import Forge
from store.schema import RunRow
from store.session import Database
from tests import factories as make
from tests import serving

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = make.database(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def server(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    with serving.served(serving.app(tmp_path)) as url:
        monkeypatch.setenv("SLIPWAY_URL", url)
        yield url


def run(*words: str) -> Result:
    return CliRunner().invoke(hook, words, standalone_mode=False, catch_exceptions=False)


@pytest.mark.parametrize("forge", list(Forge))
def test_a_sample_of_every_forge_is_taken_in_and_starts_nothing(server: str, database: Database, forge: Forge) -> None:
    with database.begin() as session:
        make.project(session, forge=forge, url="https://git.example/acme/shop.git", secret=SECRET)
    done = run("test", "--project", "shop", "--json")
    told = json.loads(done.output)
    assert (done.return_value, told["status"], told["runs"]) == (0, 200, [])
    assert told["code"] in {"ping", "ignored_event"}
    with database.read() as session:
        assert session.query(RunRow).count() == 0
    shown = run("deliveries", "--project", "shop").output
    assert told["code"] in shown and str(forge) in shown


def test_a_sample_that_is_refused_says_why_and_exits_1(
    server: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = make.database(tmp_path / "other")
    for known, secret in ((database, "ours"), (there, "theirs")):
        with known.begin() as session:
            make.project(session, url="https://git.example/acme/shop.git", secret=secret)
    there.dispose()
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "other"))
    done = run("test", "--project", "shop")
    assert done.return_value == 1 and "401 bad_signature" in done.output and "slipway project secret" in done.output
    with pytest.raises(NotFound, match="no project nobody"):
        run("test", "--project", "nobody")


def test_deliveries_are_listed_and_redelivered(server: str, database: Database) -> None:
    assert "Nothing was received yet" in run("deliveries").output
    with database.begin() as session:
        make.project(session, url="https://git.example/acme/shop.git", secret=SECRET)
    run("test", "--project", "shop")
    assert "No delivery matches" in run("deliveries", "--verdict", "refused").output
    listed = json.loads(run("deliveries", "--json").output)["items"]
    assert [one["code"] for one in listed] == ["ping"]
    assert "ping" in run("redeliver", listed[0]["id"]).output
    assert json.loads(run("redeliver", listed[0]["id"], "--json").output)["code"] == "ping"
    assert "[redelivery]" in run("deliveries").output
    with pytest.raises(NotFound):
        run("redeliver", "99")


def test_what_is_no_slipway_is_said(server: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.begin() as session:
        make.project(session, secret=SECRET)
    monkeypatch.setenv("SLIPWAY_URL", f"{server}/static/slipway.css?")
    with pytest.raises(Unavailable, match="is that a Slipway"):
        run("test", "--project", "shop")
    monkeypatch.setenv("SLIPWAY_URL", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="nobody answers"):
        run("deliveries")
