"""A kept delivery once more: taken in again or verified anew, through the API and by a form without JavaScript."""

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import Ports, create_app
from runtime.transcripts import FileTranscripts
from store.schema import DeliveryRow, ProjectRow, RunRow
from store.session import Database
from tests import factories as make
from tests import serving

SECRET, ZERO = "s3cret", "0" * 40
PAGE = {"Accept": "text/html"}


@pytest.fixture
def client(tmp_path: Path, database: Database) -> FlaskClient:
    with database.begin() as session:
        make.project(session, url="https://github.com/ana/shop.git", secret=SECRET)
    transcripts = FileTranscripts(tmp_path / "transcripts", limit=1_000)
    return create_app(serving.settings(tmp_path), ports=Ports(database=database, transcripts=transcripts)).test_client()


def push(client: FlaskClient, secret: str = SECRET, word: str = "a") -> Any:
    body = json.dumps(
        {"ref": "refs/heads/main", "before": ZERO, "after": make.revision(word), "created": True, "deleted": False,
         "forced": False, "repository": {"full_name": "ana/shop"}, "pusher": {"name": "ana"},
         "head_commit": {"id": make.revision(word), "message": "x", "author": {"name": "ana"}}, "commits": []}
    ).encode()  # fmt: skip
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json", "X-GitHub-Event": "push", "X-GitHub-Delivery": f"id-{word}-{secret}",
        "X-Hub-Signature-256": f"sha256={signature}",
    }  # fmt: skip
    return client.post("/hooks/github/shop", data=body, headers=headers)


def post(client: FlaskClient, path: str, status: int, **body: Any) -> Any:
    answer = client.post(f"/api/v1/deliveries/{path}", json=body)
    assert answer.status_code == status, answer.text
    return json.loads(answer.text)


def newest(database: Database) -> DeliveryRow:
    with database.read() as session:
        return session.query(DeliveryRow).order_by(DeliveryRow.id.desc()).limit(1).one()


def test_redelivering_what_made_a_run_names_that_run(client: FlaskClient, database: Database) -> None:
    first = json.loads(push(client).text)
    again = post(client, f"{first['delivery']}/redeliver", 200)
    assert (again["code"], again["runs"]) == ("duplicate", ["r1"]) and again["delivery"] != first["delivery"]
    told = client.get(f"/api/v1/deliveries/{again['delivery']}").json
    assert told and (told["source"], told["verdict"], told["code"]) == ("redelivery", "duplicate", "duplicate")
    assert [one["id"] for one in json.loads(client.get("/api/v1/runs").text)["items"]] == ["r1"]


def test_what_was_refused_is_taken_in_once_the_secret_is_right(client: FlaskClient, database: Database) -> None:
    assert push(client, secret="another").status_code == 401
    refused = newest(database).id
    assert post(client, f"{refused}/redeliver", 400)["code"] == "bad_signature"
    assert post(client, f"{refused}/verify", 200)["holds"] is False
    right = post(client, f"{refused}/verify", 200, secret="another")
    assert right["holds"] is True and right["detail"]
    with database.begin() as session:
        session.query(ProjectRow).one().secret = "another"
    taken = post(client, f"{refused}/redeliver", 202)
    assert (taken["code"], taken["runs"]) == ("accepted", ["r1"])
    assert json.loads(client.get("/api/v1/runs/r1").text)["delivery"] == taken["delivery"]


def test_an_empty_secret_is_not_taken_for_the_projects_own(client: FlaskClient) -> None:
    number = json.loads(push(client).text)["delivery"]
    assert post(client, f"{number}/verify", 200)["holds"] is True
    refused = post(client, f"{number}/verify", 400, secret="")
    assert (refused["code"], refused["detail"]) == ("bad_body", "`secret` is empty")


@pytest.mark.parametrize("verb", ["redeliver", "verify"])
def test_a_delivery_that_is_not_there_cannot_be_redelivered(client: FlaskClient, verb: str) -> None:
    assert post(client, f"9/{verb}", 404)["detail"]
    assert post(client, f"x/{verb}", 404)["code"] == "not_found"
    assert post(client, f"9/{verb}", 400, force=True)["code"] == "bad_body"


def test_one_click_redelivers_and_shows_what_became_of_it(client: FlaskClient, database: Database) -> None:
    number = json.loads(push(client).text)["delivery"]
    form = {"form_token": token(client, number)}
    answer = client.post(f"/settings/deliveries/{number}/redeliver", data=form, headers=PAGE)
    assert (answer.status_code, answer.location) == (303, f"/settings/deliveries/{newest(database).id}")
    shown = client.get(answer.location, headers=PAGE).text
    assert "Taken in once more" in shown and "already handled as r1" in shown and "redelivered" in shown


@pytest.mark.parametrize(("secret", "words"), [("", "is that of"), ("wrong", "is not that of")])
def test_one_click_verifies_with_the_projects_secret_or_another(
    client: FlaskClient, database: Database, secret: str, words: str
) -> None:
    number = json.loads(push(client).text)["delivery"]
    form = {"form_token": token(client, number), "secret": secret}
    answer = client.post(f"/settings/deliveries/{number}/verify", data=form, headers=PAGE, follow_redirects=True)
    assert answer.status_code == 200 and f"the signature {words}" in answer.text
    assert "wrong" not in answer.text


def test_a_refusal_of_a_click_is_said_on_the_page(client: FlaskClient, database: Database) -> None:
    push(client, secret="another")
    number = newest(database).id
    form = {"form_token": token(client, str(number))}
    answer = client.post(f"/settings/deliveries/{number}/redeliver", data=form, headers=PAGE, follow_redirects=True)
    assert answer.status_code == 200 and "Not taken in" in answer.text
    assert client.post("/settings/deliveries/99/redeliver", data=form, headers=PAGE).status_code in {303, 404}


@pytest.mark.parametrize("verb", ["redeliver", "verify"])
@pytest.mark.parametrize("form", [{}, {"form_token": ""}, {"form_token": "x" * 32}, {"form_token": "é"}])
def test_A1_a_form_without_our_token_is_refused(
    client: FlaskClient, database: Database, verb: str, form: dict[str, str]
) -> None:
    number = json.loads(push(client).text)["delivery"]
    for seen in (False, True):
        if seen:
            token(client, number)
        answer = client.post(f"/settings/deliveries/{number}/{verb}", data=form, headers=PAGE)
        assert answer.status_code == 400 and "bad_form" in answer.text
    with database.read() as session:
        assert session.query(DeliveryRow).count() == session.query(RunRow).count() == 1


def token(client: FlaskClient, number: str) -> str:
    """Return what the page's forms carry."""
    shown = client.get(f"/settings/deliveries/{number}", headers=PAGE).text
    found = set(re.findall(r'name="form_token" value="([^"]+)"', shown))
    assert len(found) == 1
    return str(found.pop())
