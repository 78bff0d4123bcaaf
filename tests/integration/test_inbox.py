"""The inbox on real databases: what is answered, and what is then in SQL."""

import base64
import hashlib
import hmac
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from commands.hook_post import sign
from pipeline.project import Forge, Project
from store import deliveries, projects
from store.deliveries import MOST_REFUSED, REFUSED_BODY
from store.schema import DeliveryRow, JobRow, MessageRow, RunRow, Table
from store.session import Database
from tests.inbox_app import make

PAYLOADS = Path(__file__).parent.parent / "payloads" / "github"
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
A, B = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d", "9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c"


@pytest.fixture
def client(database: Database, moment: Any) -> Iterator[FlaskClient]:
    with database.begin() as session:
        for name, url, forge in (
            ("shop", "https://github.com/acme/shop.git", Forge.GITHUB),
            ("bare", "/srv/git/bare.git", Forge.GIT),
        ):
            known = Project(id=0, name=name, url=url, forge=forge, secret=SECRET)
            projects.add(session, known, at=moment)
    yield make(database).test_client()


def payload(name: str = "push_branch", **fields: Any) -> bytes:
    return json.dumps({**json.loads((PAYLOADS / f"{name}.json").read_bytes()), **fields}).encode()


def signed(body: bytes, event: str = "push", delivery: str | None = "d-1", secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    ids = {"X-GitHub-Delivery": delivery} if delivery else {}
    return {
        "X-GitHub-Event": event,
        "X-Hub-Signature-256": f"sha256={digest}",
        "Content-Type": "application/json",
        **ids,
    }


def send(client: FlaskClient, body: bytes, *, to: str = "/hooks/github/shop", **options: Any) -> TestResponse:
    return client.post(to, data=body, headers=signed(body, **options))


def count(database: Database, table: type[Table]) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def counts(database: Database) -> tuple[int, int, int, int]:
    return tuple(count(database, table) for table in (DeliveryRow, RunRow, JobRow, MessageRow))  # type: ignore[return-value]


def test_a_push_is_answered_202_with_its_run_job_and_message_in_the_database(
    client: FlaskClient, database: Database
) -> None:
    answer = send(client, payload())
    assert answer.status_code == 202
    assert answer.json == {
        "delivery": "1",
        "runs": ["r1"],
        "code": "accepted",
        "detail": "shop 9f8e7d6 on main is r1",
    }
    assert counts(database) == (1, 1, 2, 1)
    with database.read() as session:
        run = session.get_one(RunRow, 1)
        kept = session.get_one(DeliveryRow, 1)
        assert (run.ref, run.before, run.revision, run.delivery_id) == ("refs/heads/main", A, B, 1)
        assert (kept.body, kept.verdict, kept.key, kept.event) == (payload(), "accepted", "d-1", "push")
        assert "x-hub-signature-256" in kept.headers


def test_neither_cookies_nor_authorization_nor_the_secret_are_kept(client: FlaskClient, database: Database) -> None:
    body = payload()
    client.post("/hooks/github/shop", data=body, headers=signed(body) | {"Authorization": "x", "Cookie": "y=1"})
    with database.read() as session:
        kept = json.dumps(session.get_one(DeliveryRow, 1).headers)
    assert not {"authorization", "cookie"} & json.loads(kept).keys()
    assert SECRET not in kept


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("push_new_branch", (202, "accepted")),
        ("push_forced", (202, "accepted")),
        ("push_light_tag", (202, "accepted")),
        ("push_annotated_tag", (202, "accepted")),
        ("push_deleted", (200, "ref_deleted")),
        ("push_skip", (200, "skip_requested")),
        ("ping", (200, "ping")),
        ("issues", (200, "ignored_event")),
    ],
)
def test_each_documented_payload_has_its_answer(
    client: FlaskClient, database: Database, name: str, expected: tuple[int, str]
) -> None:
    answer = send(client, payload(name), event=name.partition("_")[0])
    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == expected
    assert len(answer.json["detail"]) > 10
    assert counts(database)[:2] == (1, int(expected[0] == 202))


def test_a_form_encoded_push_is_taken_in_and_its_signature_is_over_the_form(client: FlaskClient) -> None:
    body = b"payload=" + quote_plus(payload()).encode()
    headers = signed(body) | {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/hooks/github/shop", data=body, headers=headers).status_code == 202


def test_the_payload_may_name_the_repository(client: FlaskClient) -> None:
    assert send(client, payload(), to="/hooks/github").status_code == 202
    other = payload(repository={"full_name": "acme/unknown"})
    assert send(client, other, to="/hooks/github").status_code == 401
    assert send(client, b"junk", to="/hooks/github").status_code == 401


def test_a_git_push_of_several_refs_makes_several_runs(client: FlaskClient, database: Database) -> None:
    refs = ["refs/heads/main", "refs/heads/next", "refs/tags/v1"]
    changes = [{"ref": ref, "before": "0" * 40, "after": B} for ref in refs]
    changes.append({"ref": "refs/heads/old", "before": A, "after": "0" * 40})
    body = json.dumps({"repository": "bare", "changes": changes, "pusher": "ana"}).encode()
    headers = sign(SECRET, "push_1", int(time.time()), body) | {"Content-Type": "application/json"}
    for to, code in (("/hooks/git/bare", "accepted"), ("/hooks/git", "duplicate")):
        answer = client.post(to, data=body, headers=headers)
        assert answer.json is not None
        assert (answer.json["runs"], answer.json["code"]) == (["r1", "r2", "r3"], code)
    assert counts(database) == (1, 3, 6, 3)


def test_W1_a_missing_signature_is_401(client: FlaskClient, database: Database) -> None:
    headers = {name: value for name, value in signed(payload()).items() if name != "X-Hub-Signature-256"}
    answer = client.post("/hooks/github/shop", data=payload(), headers=headers)
    assert answer.status_code == 401
    assert counts(database)[1:] == (0, 0, 0)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/hooks/github/shop", "/hooks/github", "/slack/commands"])
def test_W2_other_methods_are_405(client: FlaskClient, method: str, path: str) -> None:
    assert client.open(path, method=method).status_code == 405


def test_W2_an_unknown_project_and_a_wrong_secret_get_the_same_answer(client: FlaskClient) -> None:
    body = payload()
    answers = [
        client.post(f"/hooks/github/{name}", data=body, headers=signed(body, secret="whsec_d3Jvbmc="))
        for name in ("shop", "nothing", "%00", "Ünknown", "bare", "a" * 500)
    ]
    assert {(one.status_code, one.data, one.content_type) for one in answers} == {
        (401, answers[0].data, "application/problem+json")
    }


def test_W2_an_unknown_project_and_a_wrong_secret_take_the_same_time(client: FlaskClient) -> None:
    body = payload()
    spent: dict[str, list[float]] = {"shop": [], "nothing": []}
    for _ in range(60):
        for name, times in spent.items():
            began = time.perf_counter()
            client.post(f"/hooks/github/{name}", data=body, headers=signed(body, secret="whsec_d3Jvbmc="))
            times.append(time.perf_counter() - began)
    known, unknown = (statistics.median(times) for times in spent.values())
    assert 0.5 < known / unknown < 2


def test_only_refused_deliveries_of_known_projects_are_kept_and_only_so_many(
    client: FlaskClient, database: Database
) -> None:
    body = b"x" * (REFUSED_BODY + 1)
    headers = signed(body, secret="whsec_d3Jvbmc=")
    client.post("/hooks/github/nothing", data=body, headers=headers)
    assert counts(database) == (0, 0, 0, 0)
    for _ in range(MOST_REFUSED + 3):
        assert client.post("/hooks/github/shop", data=body, headers=headers).status_code == 401
    assert counts(database) == (MOST_REFUSED, 0, 0, 0)
    with database.read() as session:
        newest = session.scalars(select(DeliveryRow).order_by(DeliveryRow.id.desc())).first()
        assert newest is not None
        assert (newest.verdict, newest.code, len(newest.body)) == ("refused", "bad_signature", REFUSED_BODY)


def test_a_forged_delivery_does_not_keep_the_real_one_of_its_id_out(client: FlaskClient) -> None:
    assert send(client, payload(), secret="whsec_d3Jvbmc=").status_code == 401
    assert send(client, payload()).status_code == 202


def test_W6_a_project_of_another_forge_is_unknown_at_githubs_door(client: FlaskClient) -> None:
    assert send(client, payload(), to="/hooks/github/bare").status_code == 401
    answer = send(client, payload(), to="/hooks/pagure/shop")
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_forge")  # type: ignore[index]


def test_W8_a_delivery_about_another_repository_is_400_and_may_be_sent_again_once_the_project_is_right(
    client: FlaskClient, database: Database
) -> None:
    body = payload(repository={"full_name": "evil/shop"})
    answer = send(client, body)
    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (400, "wrong_repository")
    assert counts(database) == (1, 0, 0, 0)
    with database.begin() as session:
        session.execute(text("UPDATE project SET url = 'https://github.com/evil/shop' WHERE name = 'shop'"))
    assert send(client, body).status_code == 202


def test_W9_the_same_delivery_again_is_200_and_makes_nothing(client: FlaskClient, database: Database) -> None:
    send(client, payload())
    answer = send(client, payload())
    assert (answer.status_code, answer.json) == (
        200,
        {"delivery": "1", "runs": ["r1"], "code": "duplicate", "detail": "already handled as r1"},
    )
    assert counts(database) == (1, 1, 2, 1)


def test_W9_the_same_push_under_another_id_is_the_same_run(client: FlaskClient, database: Database) -> None:
    send(client, payload())
    answer = send(client, payload(), delivery="d-2")
    assert answer.json is not None
    assert (answer.status_code, answer.json["code"], answer.json["runs"]) == (200, "duplicate", ["r1"])
    assert counts(database) == (2, 1, 2, 1)


def test_without_an_id_the_body_is_the_id(client: FlaskClient, database: Database) -> None:
    for _ in range(2):
        send(client, payload("ping"), event="ping", delivery=None)
    assert count(database, DeliveryRow) == 1


def test_a_branch_forced_back_runs_its_old_commit_again_once(client: FlaskClient, database: Database) -> None:
    there, back = payload(before=A, after=B), payload("push_forced")
    first = payload("push_new_branch", ref="refs/heads/main", after=A)
    runs = [
        send(client, body, delivery=f"d-{number}").json["runs"]  # type: ignore[index]
        for number, body in enumerate([first, there, back, back, there, first])
    ]
    assert runs == [["r1"], ["r2"], ["r3"], ["r3"], ["r2"], ["r3"]]


@pytest.mark.parametrize("body", [b"", b"null", b"[" * 100_000, b'{"a":1,"a":2}', b"\xff", b'{"ref": NaN}'])
def test_W11_a_signed_body_that_cannot_be_read_is_400(client: FlaskClient, database: Database, body: bytes) -> None:
    answer = send(client, body)
    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (400, "malformed")
    assert counts(database)[1:] == (0, 0, 0)


def test_W12_nul_and_half_characters_reach_no_column(client: FlaskClient, database: Database) -> None:
    body = payload().replace(b"Let the basket", b"Let\\u0000the\\ud800basket")
    assert send(client, body).status_code == 202
    with database.read() as session:
        assert session.get_one(RunRow, 1).message == "Let\ufffdthe\ufffdbasket survive a restart"
    assert send(client, payload(ref="refs/heads/a\0b"), delivery="d-2").status_code == 400


@pytest.mark.parametrize("kind", ["text/plain", "", "multipart/form-data", "application/xml"])
def test_another_content_type_is_415(client: FlaskClient, kind: str) -> None:
    answer = client.post("/hooks/github/shop", data=payload(), headers=signed(payload()) | {"Content-Type": kind})
    assert answer.status_code == 415


def test_W19_the_commits_author_changes_nothing_but_a_word(client: FlaskClient, database: Database) -> None:
    head = json.loads(payload())["head_commit"] | {"author": {"name": "admin"}}
    send(client, payload(head_commit=head))
    with database.read() as session:
        assert session.get_one(RunRow, 1).author == "ana"


def test_two_processes_with_one_delivery_settle_by_trying_again(
    client: FlaskClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    beaten: list[bool] = []
    find = deliveries.find

    def another_is_faster(session: Session, keys: Any, *, since: Any) -> Any:
        found = find(session, keys, since=since)
        if not beaten:
            beaten.append(True)
            columns = "project_id, forge, key, event, headers, body, digest, source, verdict, code, detail, received_at"
            values = "1, 'github', 'd-1', 'push', '{}', '', '', 'hook', 'accepted', '', '', '2026-11-21 10:00:00'"
            session.execute(text(f"INSERT INTO delivery ({columns}) VALUES ({values})"))  # noqa: S608
        return found

    monkeypatch.setattr(deliveries, "find", another_is_faster)
    answer = send(client, payload())
    assert beaten
    assert answer.status_code == 202
    assert counts(database) == (1, 1, 2, 1)


def test_F25_a_database_that_is_down_is_503_before_anything_is_accepted(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'slipway.db'}")
    answer = send(make(database).test_client(), payload())
    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    database.engine.dispose()


def test_every_accepted_delivery_rings_the_bell_after_its_commit(database_url: str, moment: Any) -> None:
    seen: list[int] = []
    ringing = Database(database_url, on_commit=lambda: seen.append(count(plain, RunRow)))
    plain = Database(database_url)
    with plain.begin() as session:
        known = Project(id=0, name="shop", url="https://github.com/acme/shop", forge=Forge.GITHUB, secret=SECRET)
        projects.add(session, known, at=moment)
    send(make(ringing).test_client(), payload())
    assert seen == [1]
    plain.engine.dispose()
    ringing.engine.dispose()
