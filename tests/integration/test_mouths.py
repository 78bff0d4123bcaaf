"""The grammar from a shell and over HTTP: the same line, the same deed, the same answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient

from commands.chat import chat
from dashboard import problems
from dashboard.api.acts import make_acts
from store import schema
from store.session import Database
from tests import factories as make


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    made = make.database(tmp_path)
    with made.begin() as session:
        project = make.project(session)
        make.image(session, make.run(session, project))
        make.environment(session, project)
    yield made
    made.engine.dispose()


@pytest.fixture
def client(database: Database) -> FlaskClient:
    app = Flask(__name__)
    problems.install(app)
    app.register_blueprint(make_acts(database, channel="#deploys", now=lambda: make.NOW))
    return app.test_client()


def slipway(*words: str) -> Result:
    return CliRunner().invoke(chat, words, standalone_mode=False, catch_exceptions=False)


def people(database: Database) -> list[str]:
    with database.read() as session:
        return [row.email for row in session.query(schema.PersonRow)]


def test_a_shell_speaks_as_anyone_and_that_is_recorded(database: Database) -> None:
    done = slipway("deploy", "web to staging", "--as", "ana@example.com")
    assert done.output.startswith("🚢 *web* `")
    assert done.return_value == 0
    assert people(database) == ["ana@example.com"]


def test_a_shell_without_a_name_speaks_as_its_user(database: Database) -> None:
    assert "You are " in slipway("whoami").output
    assert people(database)[0].endswith("@localhost")


def test_json_has_the_intent_and_the_reply(database: Database) -> None:
    told = json.loads(slipway("status", "staging", "--json").output)
    assert told["intent"] == {"verb": "status", "subject": "staging"}
    assert told["reply"] == "*staging* · shop: nothing yet"


@pytest.mark.parametrize(
    ("line", "code"),
    [("status", 0), ("deplyo web", 2), ("deploy wbe", 3), ("resume staging", 0), ("promote a to b", 3)],
)
def test_a_shell_is_told_by_the_exit_code(database: Database, line: str, code: int) -> None:
    assert slipway(line).return_value == code


def test_tail_prints_what_the_recorder_keeps_the_oldest_first(database: Database) -> None:
    with database.begin() as session:
        make.message(session, "first", at=20)
        make.message(session, "second", at=10, edits=3)
    output = slipway("tail").output
    assert output.index("first") < output.index("#deploys · redrawn 3 times\nsecond")
    assert [json.loads(line)["text"] for line in slipway("tail", "--json").output.splitlines()] == ["first", "second"]


def test_the_api_does_what_a_line_says(client: FlaskClient, database: Database) -> None:
    answer = client.post("/api/v1/chat", json={"text": "deploy web", "as": "bo@example.com"})
    assert answer.status_code == 200
    told = answer.get_json()
    assert told["intent"] == {"verb": "deploy", "targets": [{"name": "web"}]}
    assert "*web*" in told["reply"]
    assert told["deployments"] == ["d1"]
    assert people(database) == ["bo@example.com"]


def test_a_mistake_is_an_answer_too(client: FlaskClient) -> None:
    told = client.post("/api/v1/chat", json={"text": "xyzzy"}).get_json()
    assert (told["intent"], told["code"]) == (None, "not_understood")


@pytest.mark.parametrize(
    "body", [[], {}, {"text": 1}, {"text": "x", "as": 7}, {"text": "x", "as": "a\nb"}, {"text": "x", "as": "x" * 255}]
)
def test_a_body_that_says_nothing_is_refused(client: FlaskClient, database: Database, body: Any) -> None:
    answer = client.post("/api/v1/chat", json=body)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "bad_body")
    assert people(database) == []


def test_a_form_of_another_site_is_refused(client: FlaskClient, database: Database) -> None:
    assert client.post("/api/v1/chat", data={"text": "deploy web"}).status_code == 415
    assert client.post("/api/v1/chat", data='{"text": "deploy web"}', content_type="text/plain").status_code == 415
    assert client.post("/api/v1/chat", data="{", content_type="application/json").status_code == 400
    assert people(database) == []
