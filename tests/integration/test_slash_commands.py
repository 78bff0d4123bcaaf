"""Slack's slash commands on real databases: what is answered, and what is then in SQL."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from hooks.signatures import slack_signature_holds
from hooks.slack import is_answer_url, line_of
from store import commands
from store.schema import CommandRow, JobRow
from store.session import Database
from tests.inbox_app import SLACK_SECRET, make

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def client(database: Database) -> FlaskClient:
    return make(database, clock=lambda: NOW, allowed_hosts=("127.0.0.1:9",)).test_client()


def form(command: str = "/deploy", text: str = "web to staging", **fields: str) -> bytes:
    known = {
        "team_id": "T1",
        "user_id": "U1",
        "channel_id": "C1",
        "trigger_id": "1.2.3",
        "response_url": "https://hooks.slack.com/commands/T1/1/x",
    }
    return urlencode({**known, "command": command, "text": text, **fields}).encode()


def signed(body: bytes, stamp: int = STAMP, secret: str = SLACK_SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(stamp), "X-Slack-Signature": f"v0={digest}", "Content-Type": FORM}


def send(client: FlaskClient, body: bytes, **options: Any) -> TestResponse:
    return client.post("/slack/commands", data=body, headers=signed(body, **options))


def rows(database: Database) -> tuple[int, int]:
    with database.read() as session:
        count = [session.scalar(select(func.count()).select_from(table)) or 0 for table in (CommandRow, JobRow)]
    return count[0], count[1]


def code(answer: TestResponse) -> tuple[int, str]:
    assert answer.json is not None
    return answer.status_code, answer.json["code"]


def test_a_command_is_stored_with_its_job_and_answered_at_once(client: FlaskClient, database: Database) -> None:
    answer = send(client, form())
    assert answer.json == {"response_type": "ephemeral", "text": "`deploy web to staging` — on it."}
    assert rows(database) == (1, 1)
    with database.read() as session:
        stored = commands.get(session, 1)
    assert (stored.source, stored.person, stored.channel) == ("slack", "slack:T1:U1", "C1")
    assert (stored.line, stored.reply) == ("deploy web to staging", None)
    assert stored.response_url == "https://hooks.slack.com/commands/T1/1/x"


def test_the_first_answer_to_a_command_stays(client: FlaskClient, database: Database) -> None:
    send(client, form())
    for text in ("done", "again"):
        with database.begin() as session:
            commands.answer(session, 1, {"text": text}, at=NOW)
    with database.read() as session:
        assert commands.get(session, 1).reply == {"text": "done"}


def test_S2_a_replayed_request_gets_the_same_answer_and_does_nothing(client: FlaskClient, database: Database) -> None:
    for body in (form(), form(trigger_id="")):
        answers = [send(client, body).data for _ in range(3)]
        assert len(set(answers)) == 1
    assert rows(database) == (2, 2)


def test_S8_the_same_trigger_signed_anew_is_the_same_command(client: FlaskClient, database: Database) -> None:
    for stamp in (STAMP, STAMP + 1):
        assert send(client, form(), stamp=stamp).status_code == 200
    assert rows(database) == (1, 1)


@pytest.mark.parametrize("age", [-301, 301, -86_400])
def test_a_signature_of_another_time_is_401(client: FlaskClient, database: Database, age: int) -> None:
    assert code(send(client, form(), stamp=STAMP + age)) == (401, "bad_signature")
    assert rows(database) == (0, 0)


@pytest.mark.parametrize("age", [-300, 300])
def test_five_minutes_either_way_are_accepted(client: FlaskClient, age: int) -> None:
    assert send(client, form(), stamp=STAMP + age).status_code == 200


GOOD = signed(form())["X-Slack-Signature"]


@pytest.mark.parametrize(
    "spoiled",
    [
        {"X-Slack-Request-Timestamp": ""},
        {"X-Slack-Request-Timestamp": "junk"},
        {"X-Slack-Request-Timestamp": f"{STAMP}.0"},
        {"X-Slack-Request-Timestamp": f" {STAMP}"},
        {"X-Slack-Request-Timestamp": f"-{STAMP}"},
        {"X-Slack-Request-Timestamp": "9" * 5_000},
        {"X-Slack-Request-Timestamp": "\u00b2\u00b2"},
        {"X-Slack-Signature": ""},
        {"X-Slack-Signature": "v0="},
        {"X-Slack-Signature": GOOD.upper()},
        {"X-Slack-Signature": GOOD.replace("v0", "v1")},
        {"X-Slack-Signature": GOOD[:-1]},
        {"X-Slack-Signature": f"{GOOD},{GOOD}"},
        {"X-Slack-Signature": "v0=\u00e9"},
    ],
)
def test_S1_junk_in_the_signatures_headers_is_401(client: FlaskClient, database: Database, spoiled: Any) -> None:
    answer = client.post("/slack/commands", data=form(), headers=signed(form()) | spoiled)
    assert code(answer) == (401, "bad_signature")
    assert rows(database) == (0, 0)


def test_S1_a_body_that_is_no_text_is_401_unsigned_and_400_signed(client: FlaskClient) -> None:
    assert code(client.post("/slack/commands", data=b"\xff\xfe", headers=signed(b""))) == (401, "bad_signature")
    assert code(send(client, b"\xff\xfe")) == (400, "malformed")
    assert code(send(client, b"text=a&text=b")) == (400, "malformed")


@given(st.text(), st.text(), st.binary(), st.text())
def test_S1_nothing_makes_the_verifier_crash(stamp: str, signature: str, body: bytes, secret: str) -> None:
    headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": signature}
    assert not slack_signature_holds(headers, body, secret, at=NOW)
    headers["x-slack-request-timestamp"] = str(STAMP)
    assert not slack_signature_holds(headers, body, "", at=NOW)


def test_without_a_signing_secret_slack_is_not_set_up(database: Database) -> None:
    answer = send(make(database, clock=lambda: NOW, signing_secret=None).test_client(), form())
    assert code(answer) == (404, "slack_not_set_up")
    assert rows(database) == (0, 0)


@pytest.mark.parametrize(("field", "value"), [("team_id", ""), ("user_id", "U1:U2"), ("user_id", "<!channel>")])
def test_S3_a_person_without_an_id_is_refused(client: FlaskClient, field: str, value: str) -> None:
    assert code(send(client, form(**{field: value}))) == (400, "malformed")


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("https://hooks.slack.com/commands/1", True),
        ("http://127.0.0.1:9/answer", True),
        ("http://hooks.slack.com/commands/1", False),
        ("https://hooks.slack.com.evil.test/", False),
        ("https://hooks.slack.com@evil.test/", False),
        ("https://hooks.slack.com:444/", False),
        ("https://evil.test/hooks.slack.com", False),
        ("https://evil.test\\@hooks.slack.com/", False),
        ("https://hooks.slack.com/\r\nHost: evil", False),
        ("https://hooks.slack.com/ x", False),
        ("https://[", False),
        ("file:///etc/passwd", False),
        ("//127.0.0.1:9/", False),
        ("http://127.0.0.1:91/", False),
    ],
)
def test_S7_answers_go_to_slack_only(url: str, known: bool) -> None:
    assert is_answer_url(url, ("127.0.0.1:9",)) is known


def test_S7_a_command_that_wants_its_answer_elsewhere_is_refused(client: FlaskClient, database: Database) -> None:
    assert code(send(client, form(response_url="https://evil.test/"))) == (400, "bad_response_url")
    assert rows(database) == (0, 0)


def test_S6_the_echo_mentions_and_links_nothing(client: FlaskClient) -> None:
    answer = send(client, form(text="a`b <!channel> & <https://evil|ok>\nc"))
    assert answer.json is not None
    text = answer.json["text"]
    assert "<" not in text
    assert text.count("`") == 2
    assert "\n" not in text


def test_S9_a_line_of_ten_thousand_letters_is_not_taken_in(client: FlaskClient, database: Database) -> None:
    answer = send(client, form(text="x" * 10_000))
    assert answer.json is not None
    assert (answer.status_code, "longer than" in answer.json["text"]) == (200, True)
    assert rows(database) == (0, 0)
    assert send(client, form(text="x" * 70_000)).status_code == 413


def test_another_content_type_is_415(client: FlaskClient) -> None:
    answer = client.post("/slack/commands", data=form(), headers=signed(form()) | {"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("command", "text", "line"),
    [
        ("/deploy", "web to staging", "deploy web to staging"),
        ("/rollback", " staging ", "rollback staging"),
        ("/slipway", "status", "status"),
        ("/slipway", "", "help"),
        ("/deploy", "", "deploy"),
        ("/slipway", "build a because x &lt; y &amp;&amp; z", "build a because x < y && z"),
        ("", "", "help"),
    ],
)
def test_a_slash_command_is_a_line_of_the_grammar(command: str, text: str, line: str) -> None:
    assert line_of({"command": command, "text": text}) == line


def test_S4_a_command_of_another_workspace_is_refused(database: Database) -> None:
    client = make(database, clock=lambda: NOW, team_id="T1").test_client()
    theirs = send(client, form(team_id="T2", trigger_id="theirs"))
    assert code(theirs) == (401, "wrong_workspace") and rows(database)[0] == 0
    assert send(client, form(team_id="T1", trigger_id="ours")).status_code == 200
