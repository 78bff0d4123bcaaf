"""Every delivery we know of, posted to the inbox as its forge posts it, on real databases."""

from base64 import b64encode
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from hooks.forges import DOORS
from pipeline.project import Forge, Project
from store import deliveries, projects
from store.schema import DeliveryRow
from store.session import Database
from tests.inbox_app import make
from tests.payload_files import FORGES, Headers, body_of, headers_of, names, others, signed

SECRET = "whsec_" + b64encode(b"k" * 32).decode()
# What stands for deliveries whose repository is another on purpose: a personal one, and a project of another name.
ELSEWHERE = {("bitbucket-server", "push_personal")}


@pytest.fixture
def client(database: Database, moment: Any) -> FlaskClient:
    with database.begin() as session:
        for forge in Forge:
            url = (
                "/srv/git/shop.git" if forge in {Forge.GIT, Forge.GENERIC} else "https://git.example.test/acme/shop.git"
            )
            known = Project(id=0, name=f"shop-{forge}", url=url, forge=forge, secret=SECRET)
            projects.add(session, known, at=moment)
    return make(database, clock=lambda: moment).test_client()


def post(client: FlaskClient, forge: str, headers: Headers, body: bytes, at: Any) -> tuple[int, str]:
    sent = {"content-type": "application/json", **headers}
    to = f"/hooks/{forge}/shop-{forge}"
    answer = client.post(to, data=body, headers=signed(forge, sent, body, SECRET, at=int(at.timestamp())))
    assert answer.json is not None
    return answer.status_code, answer.json["code"]


@pytest.mark.parametrize("forge", FORGES)
def test_every_known_delivery_is_taken_in_and_can_be_verified_again(
    client: FlaskClient, database: Database, moment: Any, forge: str
) -> None:
    for name in names(forge):
        status, code = post(client, forge, headers_of(forge, name), body_of(forge, name), moment)
        assert (status in {200, 202}) is ((forge, name) not in ELSEWHERE), (name, code)
    for headers, body in others(forge):
        status, code = post(client, forge, headers, body, moment)
        assert (status, code) in {(200, "ignored_event"), (200, "duplicate"), (400, "wrong_repository")}, headers
    with database.read() as session:
        numbers = list(session.scalars(select(DeliveryRow.id)))
        kept = [found for one in numbers if (found := deliveries.kept(session, one))]
    assert len(kept) >= len(names(forge))
    for row in kept:
        assert DOORS[forge].verify_again(row.headers, row.body, SECRET), row.id
        assert SECRET not in str(row.headers)


@pytest.mark.parametrize("forge", FORGES)
def test_W2_a_delivery_signed_with_another_secret_is_401_at_every_door(
    client: FlaskClient, moment: Any, forge: str
) -> None:
    body = body_of(forge, "push_branch")
    other = "whsec_" + b64encode(b"o" * 32).decode()
    sent = signed(forge, headers_of(forge, "push_branch"), body, other, at=int(moment.timestamp()))
    for to in (f"/hooks/{forge}/shop-{forge}", f"/hooks/{forge}/nothing", f"/hooks/{forge}"):
        assert client.post(to, data=body, headers=sent).status_code == 401
