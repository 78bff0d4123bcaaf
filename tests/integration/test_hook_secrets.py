"""`slipway project secret`: the secret before stops at once, and what was refused until the host knew is not lost."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from standardwebhooks import Webhook

from app import Ports, create_app
from commands.projects import project
from config.settings import Settings
from pipeline.errors import NotFound, Rejected
from runtime.transcripts import FileTranscripts
from store.migrate import upgrade
from store.schema import DeliveryRow, ProjectRow
from store.session import Database
from tests import factories as make
from tests import serving

OLD, OWN = "whsec_b2xkLXNlY3JldC1vZi1zaG9w", "0123456789abcdef"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    monkeypatch.setenv("SLIPWAY_WEB__PORT", "8070")
    settings = Settings()
    upgrade(settings.database_url)
    known = Database(settings.database_url)
    with known.begin() as session:
        make.project(session, "shop", url="https://github.com/ana/shop.git", secret=OLD)
        make.project(session, "local", url="/srv/git/local.git", forge="git", secret=OLD)
    return known


@pytest.fixture
def client(tmp_path: Path, database: Database) -> FlaskClient:
    transcripts = FileTranscripts(tmp_path / "transcripts", limit=1_000)
    return create_app(serving.settings(tmp_path), ports=Ports(database=database, transcripts=transcripts)).test_client()


def say(*words: str, input: str = "") -> Result:
    return CliRunner().invoke(project, ["secret", *words], input=input, standalone_mode=False, catch_exceptions=False)


def push(client: FlaskClient, secret: str, word: str) -> Any:
    body = json.dumps(
        {"ref": "refs/heads/main", "before": "0" * 40, "after": make.revision(word), "created": True, "deleted": False,
         "forced": False, "repository": {"full_name": "ana/shop"}, "pusher": {"name": "ana"},
         "head_commit": {"id": make.revision(word), "message": "x", "author": {"name": "ana"}}, "commits": []}
    ).encode()  # fmt: skip
    headers = {
        "Content-Type": "application/json", "X-GitHub-Event": "push", "X-GitHub-Delivery": f"id-{word}",
        "X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}",
    }  # fmt: skip
    return client.post("/hooks/github/shop", data=body, headers=headers)


def secret_of(database: Database, name: str = "shop") -> str:
    with database.read() as session:
        return session.query(ProjectRow).filter_by(name=name).one().secret


def test_the_secret_before_is_refused_at_once_and_the_new_one_holds(client: FlaskClient, database: Database) -> None:
    assert push(client, OLD, "a").status_code == 202
    said = say("shop").output
    new = secret_of(database)
    assert new != OLD and f"  secret   {new}    (it is not shown again)" in said
    assert "  webhook  http://127.0.0.1:8070/hooks/github/shop" in said
    assert push(client, OLD, "b").status_code == 401
    assert push(client, new, "c").status_code == 202
    assert Webhook(new)
    assert secret_of(database, "local") == OLD


def test_what_was_refused_before_slipway_knew_the_secret_is_taken_in_afterwards(
    client: FlaskClient, database: Database
) -> None:
    assert push(client, OWN, "a").status_code == 401
    with database.read() as session:
        refused = session.query(DeliveryRow).one().id
    assert client.post(f"/api/v1/deliveries/{refused}/redeliver", json={}).status_code == 400
    say("shop", "--stdin", input=f"{OWN}\n")
    taken = client.post(f"/api/v1/deliveries/{refused}/redeliver", json={})
    assert (taken.status_code, taken.json and taken.json["code"]) == (202, "accepted")


def test_a_secret_from_standard_input_is_not_printed(database: Database) -> None:
    said = say("shop", "--stdin", input=f"{OWN}\n").output + say("shop", "--stdin", "--json", input=OWN).output
    assert secret_of(database) == OWN
    assert OWN not in said


def test_json_is_as_of_a_project_that_is_added(database: Database) -> None:
    facts = json.loads(say("shop", "--json").output)
    url = "http://127.0.0.1:8070/hooks/github/shop"
    assert facts == {"name": "shop", "hook_url": url, "secret": secret_of(database)}


def test_a_hook_that_was_installed_is_to_be_installed_again(database: Database) -> None:
    assert "slipway hook install /srv/git/local.git --project local" in say("local").output


@pytest.mark.parametrize("text", ["", "short", "0123456789abcde", "two words of some length", "é" * 20, "x" * 501])
def test_what_is_no_secret_is_refused_and_changes_nothing(database: Database, text: str) -> None:
    with pytest.raises(Rejected, match="16 to 500 printable", check=lambda error: error.code == "bad_secret"):
        say("shop", "--stdin", input=text)
    assert secret_of(database) == OLD


def test_a_door_of_standard_webhooks_takes_no_secret_that_they_cannot_use(database: Database) -> None:
    with pytest.raises(Rejected, match="whsec_ and base64"):
        say("local", "--stdin", input="not-base64-at-all!")
    say("local", "--stdin", input="whsec_bmV3LXNlY3JldC1vZi1sb2NhbA==")
    assert secret_of(database, "local") == "whsec_bmV3LXNlY3JldC1vZi1sb2NhbA=="


def test_a_project_that_is_not_there_has_no_secret(database: Database) -> None:
    with pytest.raises(NotFound, match="there is no project nope"):
        say("nope")
