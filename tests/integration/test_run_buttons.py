"""The buttons of a run's page and the form that starts one, pressed as a browser without JavaScript does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from store.schema import RunRow
from store.session import Database
from tests import factories as make
from tests import serving


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return serving.app(tmp_path).test_client()


@pytest.fixture
def database(client: FlaskClient, tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'slipway.db'}")
    with made.begin() as session:
        shop = make.project(session)
        stages: list[dict[str, Any]] = [{"name": "source"}, {"name": "unit", "needs": ["source"], "state": "failed"}]
        make.run(session, shop, stages, word="one", state="failed", key="failed")
        make.run(session, shop, [{"name": "source", "state": "running"}], word="two", state="running", key="running")
        fork: dict[str, Any] = {
            "ref": "refs/pull/7/head",
            "pull_request": 7,
            "trusted": False,
            "trigger": "pull_request",
        }
        first = [{"name": "source", "state": "queued"}]
        make.run(session, shop, first, word="three", state="waiting", key="fork", **fork)
    yield made
    made.dispose()


def token(client: FlaskClient, page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', client.get(page).text)
    assert found is not None
    return found[1]


def press(client: FlaskClient, page: str, address: str, **fields: str) -> TestResponse:
    data = {"form_token": token(client, page), **fields}
    return client.post(address, data=data, headers={"Origin": "http://localhost"})


def run(database: Database, number: int) -> RunRow:
    with database.read() as session:
        return session.get_one(RunRow, number)


def test_each_run_shows_the_buttons_that_do_something(client: FlaskClient, database: Database) -> None:
    pages = {number: client.get(f"/runs/r{number}").text for number in (1, 2, 3)}
    assert "Retry what failed" in pages[1] and "Retry unit" in pages[1] and "Cancel r1" not in pages[1]
    assert "Cancel r2" in pages[2] and "Retry" not in pages[2] and "Let r2 run" not in pages[2]
    assert "Let r3 run" in pages[3] and "Start a run" not in pages[3]


@pytest.mark.parametrize(
    ("address", "fields"),
    [("/runs/r3/retry", {}), ("/runs/r3/retry", {"stage": "source"}), ("/start", {"project": "shop", "ref": "PULL"})],
)
def test_G18_no_button_but_the_one_for_it_lets_a_fork_run(
    client: FlaskClient, database: Database, address: str, fields: dict[str, str]
) -> None:
    revision = run(database, 3).revision
    press(client, "/runs/r3", address, **{name: revision if it == "PULL" else it for name, it in fields.items()})
    assert waits(database)


@pytest.mark.parametrize(
    ("path", "body"),
    [("/runs/r3/retry", {}), ("/runs/r3/retry", {"stage": "source"}), ("/projects/shop/runs", {"ref": "PULL"})],
)
def test_G18_nothing_of_the_api_but_the_word_for_it_lets_a_fork_run(
    client: FlaskClient, database: Database, path: str, body: dict[str, str]
) -> None:
    revision = run(database, 3).revision
    sent = {name: revision if it == "PULL" else it for name, it in body.items()}
    assert client.post(f"/api/v1{path}", json=sent).get_json()["code"] == "untrusted_run"
    assert waits(database)


def waits(database: Database) -> bool:
    """Tell whether the fork's run waits as it did, and no other of its commit is there."""
    with database.read() as session:
        mine = session.scalars(select(RunRow).where(RunRow.revision == session.get_one(RunRow, 3).revision)).all()
        return [(row.id, row.state, row.approved_by) for row in mine] == [(3, "waiting", "")]


def test_what_failed_is_retried_in_the_same_run(client: FlaskClient, database: Database) -> None:
    answer = press(client, "/runs/r1", "/runs/r1/retry", stage="unit")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/runs/r1")
    assert run(database, 1).state == "running"
    assert "runs unit of r1" in client.get("/runs/r1").text


def test_a_run_is_cancelled_and_a_fork_let_run(client: FlaskClient, database: Database) -> None:
    press(client, "/runs/r2", "/runs/r2/cancel")
    assert run(database, 2).cancel_requested
    press(client, "/runs/r3", "/runs/r3/approve")
    assert (run(database, 3).state, run(database, 3).approved_by) == ("queued", "page@localhost")


def test_a_run_is_started_of_a_ref_with_some_stages_and_a_reason(client: FlaskClient, database: Database) -> None:
    fields = {"project": "shop", "ref": make.revision("one")[:9], "stages": "unit, lint", "reason": "once more"}
    answer = press(client, "/", "/start", **fields)
    assert answer.headers["Location"] == "/runs/r4"
    with database.read() as session:
        row = session.scalars(select(RunRow).where(RunRow.id == 4)).one()
        assert (row.revision, row.wanted, row.asked_reason) == (make.revision("one"), ["unit", "lint"], "once more")


def test_a_refusal_leads_back_and_says_why(client: FlaskClient, database: Database) -> None:
    answer = press(client, "/", "/start", project="shop", ref="nowhere")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "was never pushed here" in client.get("/").text


def test_a_form_of_another_site_does_nothing(client: FlaskClient, database: Database) -> None:
    for address in ("/runs/r2/cancel", "/runs/r3/approve", "/runs/r1/retry", "/start"):
        assert client.post(address, data={"project": "shop"}).status_code in {400, 403}
    assert not run(database, 2).cancel_requested and run(database, 3).state == "waiting"
