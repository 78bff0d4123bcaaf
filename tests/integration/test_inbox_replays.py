"""What somebody can do who has recorded deliveries but knows no secret: send them again, as they are or made up."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from control.found import take_in_seen
from hooks.accept import LARGEST_UNNAMED, MOST_MEANT, Inbox
from pipeline.project import Forge, Project
from pipeline.push import Push
from store import projects, tallies
from store.schema import DeliveryRow
from store.session import Database
from tests.inbox_app import make
from tests.integration.test_inbox import SECRET, A, B, counts, payload, send, signed

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def client(database: Database, moment: Any) -> Iterator[FlaskClient]:
    add(database, moment, "shop")
    yield make(database, clock=lambda: moment).test_client()


@pytest.fixture
def inbox(database: Database, moment: Any) -> Inbox:
    return Inbox(database=database, channel="#deploys", clock=lambda: moment)


def add(database: Database, moment: Any, *names: str, secret: str = SECRET) -> None:
    with database.begin() as session:
        for name in names:
            url = "https://github.com/acme/shop.git"
            projects.add(session, Project(id=0, name=name, url=url, forge=Forge.GITHUB, secret=secret), at=moment)


def test_W7_a_signed_json_text_is_not_read_as_the_form_it_holds(client: FlaskClient, database: Database) -> None:
    title = f"hello&payload={quote_plus(payload())}&x=y"
    body = json.dumps({"action": "opened", "issue": {"title": title}, "repository": {"full_name": "acme/shop"}})
    assert send(client, body.encode(), event="issues").status_code == 200
    answer = client.post("/hooks/github/shop", data=body, headers=signed(body.encode(), delivery="d-2") | FORM)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "malformed")
    assert counts(database)[1] == 0


def test_a_large_delivery_is_taken_in_only_where_the_address_names_its_project(client: FlaskClient) -> None:
    body = payload(filler="x" * LARGEST_UNNAMED)
    strangers = send(client, b"{}", to="/hooks/github")
    unnamed = send(client, body, to="/hooks/github")
    assert (unnamed.status_code, unnamed.json) == (401, strangers.json)
    assert send(client, body).status_code == 202


def test_of_many_projects_of_one_repository_the_first_few_need_no_name(
    client: FlaskClient, database: Database, moment: Any
) -> None:
    add(database, moment, *(f"shop-{number:02}" for number in range(MOST_MEANT)), secret=f"{SECRET}x")
    assert send(client, payload(), to="/hooks/github").status_code == 202
    last = send(client, payload(), to="/hooks/github", secret=f"{SECRET}y")
    assert last.status_code == 401
    add(database, moment, "zoo", secret=f"{SECRET}y")
    assert send(client, payload(), to="/hooks/github", secret=f"{SECRET}y", delivery="d-2").status_code == 401
    assert send(client, payload(), to="/hooks/github/zoo", secret=f"{SECRET}y", delivery="d-2").status_code == 202


def test_a_project_is_heard_as_soon_as_it_is_there(client: FlaskClient, database: Database, moment: Any) -> None:
    assert send(client, payload(), to="/hooks/github/late").status_code == 401
    add(database, moment, "late")
    assert send(client, payload(), to="/hooks/github/late").status_code == 202


def test_no_sender_can_take_the_id_that_a_look_will_have(client: FlaskClient, database: Database, moment: Any) -> None:
    seen = Push(ref="refs/heads/main", before=A, after=B)
    for start in ("", " ", "%20"):
        key = f"{start}look:5.1:{sha256(seen.ref.encode()).hexdigest()[:16]}:{B}"
        send(client, payload("ping"), event="ping", delivery=key)
    with database.begin() as session:
        project = projects.get(session, 1)
        answer = take_in_seen(session, project, seen, look="5.1", at=moment, channel="#deploys")
    assert (answer.code, answer.runs) == ("accepted", (1,))


def test_no_sender_can_take_the_id_that_a_redelivery_will_have(client: FlaskClient, inbox: Inbox) -> None:
    send(client, payload())
    for start in ("", " "):
        send(client, payload("ping"), event="ping", delivery=f"{start}redelivery:1:1")
    again = inbox.redeliver(1)
    assert (again.code, again.runs, again.delivery > 2) == ("duplicate", (1,), True)


def test_no_sender_can_take_the_id_of_a_delivery_without_one(client: FlaskClient) -> None:
    body = payload()
    send(client, payload("ping"), event="ping", delivery=f"sha256:{sha256(body).hexdigest()}")
    assert send(client, body, delivery=None).status_code == 202


def test_W9_a_recorded_delivery_that_is_sent_without_end_is_kept_once(client: FlaskClient, database: Database) -> None:
    body = payload("issues")
    for number in range(5):
        send(client, body, event="issues", delivery=f"d-{number}")
    with database.read() as session:
        kept = list(session.scalars(select(DeliveryRow.body).order_by(DeliveryRow.id)))
    assert kept == [body, b"", b"", b"", b""]


def test_an_event_that_no_door_knows_is_counted_as_another(client: FlaskClient, database: Database) -> None:
    for number, event in enumerate(("issues", "evil_1", "evil_2")):
        send(client, payload("issues", number=number), event=event, delivery=f"d-{number}")
    send(client, payload(), delivery="push")
    with database.read() as session:
        counted = tallies.received(session)
    assert counted == {("github", "other", "ignored"): 3, ("github", "push", "accepted"): 1}
