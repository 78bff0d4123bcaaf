"""`slipway run` and `slipway log` against a real server."""

import getpass
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import run as slipway
from store.schema import RunRow, StageRow
from store.session import Database
from tests import factories as make
from tests import serving


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = make.database(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def server(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving.served(serving.app(tmp_path)) as url:
        monkeypatch.setenv("SLIPWAY_URL", url)
        yield url


def one(database: Database, state: str, **stages: str) -> None:
    with database.begin() as session:
        make.run(session, make.project(session), stages, state=state, reason="" if state == "passed" else "because")


def test_runs_are_listed(server: str, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert slipway(["run", "list"]) == 0
    assert "No run yet" in capsys.readouterr().out
    one(database, "failed", unit="failed")
    assert slipway(["run", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"][0]["id"] == "r1"
    assert slipway(["run", "list", "--state", "failed"]) == 0
    assert "r1" in capsys.readouterr().out
    assert slipway(["run", "list", "--state", "broken"]) == 2


@pytest.mark.parametrize(
    ("state", "code"), [("passed", 0), ("failed", 1), ("error", 5), ("cancelled", 5), ("superseded", 5), ("skipped", 5)]
)
def test_watching_a_run_tells_by_its_exit_code_how_it_ended(
    server: str, database: Database, state: str, code: int
) -> None:
    one(database, state, unit=state)
    assert slipway(["run", "watch", "r1", "--exit-status"]) == code
    assert slipway(["run", "watch", "1"]) == 0


def test_watching_follows_a_run_to_its_end(server: str, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    one(database, "running", unit="running")

    def finish() -> None:
        time.sleep(0.7)
        with database.begin() as session:
            session.get_one(RunRow, 1).state = "failed"
            session.get_one(StageRow, 1).state = "failed"

    other = threading.Thread(target=finish)
    other.start()
    assert slipway(["run", "watch", "r1", "--exit-status"]) == 1
    other.join()
    said = capsys.readouterr().out
    assert said.index("running") < said.index("unit") < said.rindex("r1 failed")


def test_a_run_that_is_not_there_and_a_server_that_is_not_there(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert slipway(["run", "view", "r9"]) == 4
    monkeypatch.setenv("SLIPWAY_URL", "http://127.0.0.1:1")
    assert slipway(["run", "watch", "r9", "--exit-status"]) == 5


def test_what_answers_must_be_a_slipway(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_URL", f"{server}/static")
    assert slipway(["run", "view", "r9"]) in {4, 5}


def test_the_token_goes_along(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    one(database, "passed")
    with serving.served(serving.app(tmp_path, public_url="http://ci.example.com", token="long and random")) as url:
        monkeypatch.setenv("SLIPWAY_URL", url)
        assert slipway(["run", "view", "r1"]) == 3
        monkeypatch.setenv("SLIPWAY_TOKEN", "long and random")
        assert slipway(["run", "view", "r1"]) == 0


def test_a_log_is_of_what_broke_unless_a_stage_is_named(
    server: str, tmp_path: Path, database: Database, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    one(database, "failed", build="passed", unit="failed", staging="skipped")
    make.transcript(tmp_path, 1, "unit", "\x1b[31mno basket\x1b[0m\n")
    make.transcript(tmp_path, 1, "build", "built\n")
    assert slipway(["log", "r1"]) == 0
    assert slipway(["log", "r1", "build", "--follow"]) == 0
    assert capfdbinary.readouterr().out == b"no basket\nbuilt\n"
    assert slipway(["log", "r1", "nothing"]) == 4


def test_what_people_wrote_does_not_speak_to_the_terminal(
    server: str, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with database.begin() as session:
        stage = {"name": "unit", "state": "failed", "reason": "\x1b]0;t\x07r", "tail": ["\x1b[2Jtail"]}
        make.run(
            session,
            make.project(session),
            [stage],
            state="failed",
            message="\x1b[31mred\rblue",
            ref="refs/heads/a\x08b",
        )
    assert slipway(["run", "view", "r1"]) == 0
    said = capsys.readouterr().out
    assert not set(said) & set("\x1b\x07\x08\r")


def test_who_asks_at_the_servers_own_shell_is_said_with_why(
    server: str, database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one(database, "failed", unit="failed")
    monkeypatch.delenv("SLIPWAY_URL")
    monkeypatch.setenv("SLIPWAY_WEB__PORT", server.rpartition(":")[2])
    monkeypatch.setattr(getpass, "getuser", lambda: "bo")
    assert slipway(["run", "retry", "r1", "--reason", "ticket 42"]) == 0
    assert "@bo runs unit of r1" in capsys.readouterr().out
    for command in (["run", "list"], ["run", "view", "r1"]):
        assert slipway(command) == 0
        assert "asked for again by bo@localhost: ticket 42" in capsys.readouterr().out
    assert slipway(["run", "cancel", "r1"]) == 0
    with database.read() as session:
        assert session.get_one(RunRow, 1).reason == "by @bo"
