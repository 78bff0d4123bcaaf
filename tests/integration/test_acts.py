"""What programs start through the API: runs of exactly what they named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from store import schema
from store.session import Database
from tests import factories as make
from tests import serving

FEATURE, MAIN = "refs/heads/feature", "refs/heads/main"


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return serving.app(tmp_path).test_client()


@pytest.fixture
def database(client: FlaskClient, tmp_path: Path) -> Iterator[Database]:
    """Hold a project whose branch `feature` and then `main` were pushed with one commit."""
    made = Database(f"sqlite:///{tmp_path / 'slipway.db'}")
    with made.begin() as session:
        shop = make.project(session)
        for at, ref in enumerate((FEATURE, MAIN)):
            make.run(session, shop, word="shared", began=100 - at, key=ref, ref=ref)
    yield made
    made.dispose()


def post(client: FlaskClient, path: str, body: dict[str, str]) -> Any:
    return client.post(f"/api/v1{path}", json=body)


def made_last(database: Database) -> tuple[int, str, str]:
    with database.read() as session:
        row = session.query(schema.RunRow).order_by(schema.RunRow.id.desc()).limit(1).one()
        return row.id, row.ref, row.revision


def test_a_retry_is_of_the_ref_and_the_revision_of_that_run(client: FlaskClient, database: Database) -> None:
    answer = post(client, "/runs/r1/retry", {"reason": "flaky"})
    assert (answer.status_code, answer.json["runs"], answer.headers["Location"]) == (202, ["r3"], "/api/v1/runs/r3")
    assert made_last(database) == (3, FEATURE, make.revision("shared"))


def test_a_retry_while_one_is_under_way_starts_nothing(client: FlaskClient, database: Database) -> None:
    post(client, "/runs/r1/retry", {})
    answer = post(client, "/runs/1/retry", {})
    assert (answer.status_code, answer.json["code"], made_last(database)[0]) == (200, "already_started", 3)
    assert post(client, "/runs/r2/retry", {}).json["runs"] == ["r4"]


def test_a_retry_of_no_run_is_not_found(client: FlaskClient, database: Database) -> None:
    answer = post(client, "/runs/r99/retry", {})
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_run")
    assert post(client, "/runs/d1/retry", {}).json["code"] == "bad_id"


def test_a_run_of_a_ref_is_of_that_ref(client: FlaskClient, database: Database) -> None:
    answer = post(client, "/projects/shop/runs", {"ref": "feature"})
    assert (answer.status_code, answer.json["runs"]) == (202, ["r3"])
    assert made_last(database) == (3, FEATURE, make.revision("shared"))


def test_a_run_without_a_ref_is_of_the_default_branch(client: FlaskClient, database: Database) -> None:
    assert post(client, "/projects/shop/runs", {}).status_code == 202
    assert made_last(database) == (3, MAIN, make.revision("shared"))


def test_a_body_that_says_a_thing_twice_is_refused(client: FlaskClient, database: Database) -> None:
    body = '{"ref": "feature", "reason": "flaky", "ref": "main"}'
    answer = client.post("/api/v1/projects/shop/runs", data=body, content_type="application/json")
    assert (answer.status_code, answer.json and answer.json["code"]) == (400, "bad_body")
    assert answer.json and answer.json["detail"] == "`ref` is there twice"
    assert made_last(database)[0] == 2


def test_a_request_with_a_key_that_is_sent_again_is_answered_as_before(client: FlaskClient, database: Database) -> None:
    sent = {"json": {"ref": "main"}, "headers": {"Idempotency-Key": "k-1"}}
    first, again = (client.post("/api/v1/projects/shop/runs", **sent) for _ in range(2))
    assert (first.status_code, again.status_code, again.json) == (202, 202, first.json)
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert made_last(database)[0] == 3
    other = client.post("/api/v1/projects/shop/runs", json={"ref": "feature"}, headers={"Idempotency-Key": "k-1"})
    assert (other.status_code, other.json and other.json["code"]) == (409, "key_reused")
    spaces = client.post("/api/v1/projects/shop/runs", json={}, headers={"Idempotency-Key": "a b"})
    assert spaces.json and spaces.json["code"] == "bad_key"
