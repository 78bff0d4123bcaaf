"""What was received, as the API and Settings → Deliveries tell of it: every verdict explained, no secret shown."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from app import Ports, create_app
from runtime.transcripts import FileTranscripts
from store.schema import ProjectRow
from store.session import Database
from store.views_deliveries import BODY_SHOWN, HIDDEN
from tests import factories as make
from tests import serving
from tests.unit.test_ansi import PAYLOADS

SECRET = "hush-hush-1234"


@pytest.fixture
def client(tmp_path: Path, database: Database) -> FlaskClient:
    transcripts = FileTranscripts(tmp_path / "transcripts", limit=1_000)
    return create_app(serving.settings(tmp_path), ports=Ports(database=database, transcripts=transcripts)).test_client()


def add(database: Database, **values: Any) -> int:
    with database.begin() as session:
        shop = session.query(ProjectRow).filter_by(name="shop").one_or_none() or make.project(session, secret=SECRET)
        return make.delivery(session, shop, **{"key": f"k{len(values)}{values}", **values}).id


def api(client: FlaskClient, path: str, status: int = 200) -> Any:
    answer = client.get(f"/api/v1{path}")
    assert answer.status_code == status, answer.text
    return json.loads(answer.text)


def page(client: FlaskClient, path: str) -> str:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_deliveries_are_filtered_by_every_word(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        make.delivery(session, make.project(session, "blog"), key="1", forge="gitlab")
    add(database, code="ignored_branch", detail="feature is not run")
    add(database, verdict="refused", code="bad_signature", source="hook")
    add(database, code="duplicate", source="redelivery")
    add(database, code="accepted", source="sweep", forge="git")

    def ids(query: str) -> list[str]:
        return [one["id"] for one in api(client, f"/deliveries?{query}")["items"]]

    assert ids("") == ["5", "4", "3", "2", "1"]
    assert ids("project=blog") == ids("forge=gitlab") == ["1"]
    assert ids("project=nobody") == ids("code=nothing") == []
    assert [ids(f"verdict={word}") for word in ("accepted", "ignored", "refused", "duplicate")] == [
        ["5", "1"], ["2"], ["3"], ["4"],
    ]  # fmt: skip
    assert [ids(f"source={word}") for word in ("hook", "sweep", "redelivery")] == [["3", "2", "1"], ["5"], ["4"]]
    assert ids("code=ignored_branch&project=shop") == ["2"]
    verdicts = {one["id"]: one["verdict"] for one in api(client, "/deliveries")["items"]}
    assert verdicts == {"1": "accepted", "2": "ignored", "3": "refused", "4": "duplicate", "5": "accepted"}


@pytest.mark.parametrize(
    ("query", "code"),
    [("verdict=maybe", "bad_verdict"), ("source=rumour", "bad_source"), ("project=a%00b", "bad_query"),
     ("limit=", "bad_limit"), ("cursor=1e3", "bad_cursor")],
)  # fmt: skip
def test_a_filter_that_cannot_be_meant_is_a_problem(client: FlaskClient, query: str, code: str) -> None:
    assert api(client, f"/deliveries?{query}", 400)["code"] == code


def test_the_next_page_is_where_the_link_leads(client: FlaskClient, database: Database) -> None:
    for number in range(5):
        add(database, code="ping", key=f"key-{number}")
    seen, path = [], "/api/v1/deliveries?code=ping&limit=2"
    while path:
        answer = client.get(path)
        seen += [one["id"] for one in json.loads(answer.text)["items"]]
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("Link", ""))
        path = link[1] if link else ""
    assert seen == ["5", "4", "3", "2", "1"]


def test_one_delivery_tells_everything_but_proofs(client: FlaskClient, database: Database) -> None:
    headers = {
        "content-type": "application/json", "x-gitlab-token": SECRET, "x-hub-signature-256": "sha256=ab",
        "cookie": "a=b", "x-odd": f"is {SECRET}",
    }  # fmt: skip
    number = add(database, headers=headers, body=json.dumps({"pusher": "ana", "hint": SECRET}).encode())
    with database.begin() as session:
        make.run(session, session.query(ProjectRow).one(), delivery_id=number)
    told = api(client, f"/deliveries/{number}")
    assert told["headers"] == {
        "content-type": "application/json", "x-gitlab-token": HIDDEN, "x-hub-signature-256": "sha256=ab",
        "cookie": HIDDEN, "x-odd": f"is {HIDDEN}",
    }  # fmt: skip
    assert json.loads(told["body"]) == {"pusher": "ana", "hint": HIDDEN}
    assert (told["runs"], told["source"], told["body_cut"], told["project"]) == (["r1"], "hook", False, "shop")
    assert SECRET not in page(client, f"/settings/deliveries/{number}")
    assert api(client, "/runs/r1")["delivery"] == str(number)


def test_a_body_is_shown_up_to_a_limit_and_its_size_told(client: FlaskClient, database: Database) -> None:
    number = add(database, body=b"\xff" + b"x" * BODY_SHOWN * 2)
    told = api(client, f"/deliveries/{number}")
    assert told["body_cut"] and told["body_size"] == 2 * BODY_SHOWN + 1
    assert told["body"].startswith("\ufffdx") and len(told["body"]) == BODY_SHOWN
    assert len(page(client, f"/settings/deliveries/{number}")) < 50_000


def test_no_delivery_of_that_number_is_not_found(client: FlaskClient, database: Database) -> None:
    for name in ("9", "r1", "x", "99999999999999999999", "%00"):
        assert api(client, f"/deliveries/{name}", 404)["code"] == "not_found"


@pytest.mark.parametrize("payload", PAYLOADS)
def test_L1_nothing_in_a_delivery_becomes_html(client: FlaskClient, database: Database, payload: str) -> None:
    clean = payload.replace("\0", "")
    body = json.dumps({"head_commit": {"message": clean}}).encode()
    number = add(database, detail=clean, event=clean, body=body, headers={"x-github-event": clean})
    for path in ("/settings/deliveries", f"/settings/deliveries/{number}"):
        shown = page(client, path)
        assert clean not in shown or not re.search(r"[<>\"']", clean)
        ours = len(re.findall(r'<script src="/static/', shown))
        assert len(re.findall(r"<script", shown)) == ours > 0 and "<img" not in shown


def test_json_is_shown_a_field_a_line_whether_posted_bare_or_in_a_form(client: FlaskClient, database: Database) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    bare = add(database, body=b'{"ref":"main","a":"\\u202e"}', headers={"content-type": "application/json"})
    wrapped = add(database, body=b"payload=%7B%22ref%22%3A%22main%22%7D", headers=form)
    for number in (bare, wrapped):
        assert "\n  &#34;ref&#34;: &#34;main&#34;" in page(client, f"/settings/deliveries/{number}")
    assert "\u202e" not in page(client, f"/settings/deliveries/{bare}")


@pytest.mark.parametrize("body", [b"[" * 60_000, b"\xff\xfe", b"", b"payload=%ff", b"1" * 5_000, b'{"a":NaN}'])
def test_a_body_that_is_no_json_is_shown_as_it_came(client: FlaskClient, database: Database, body: bytes) -> None:
    number = add(database, body=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert "Body" in page(client, f"/settings/deliveries/{number}")


def test_a_refused_delivery_says_why_and_what_to_do(client: FlaskClient, database: Database) -> None:
    number = add(database, verdict="refused", code="bad_signature", detail="the signature does not match")
    shown = page(client, f"/settings/deliveries/{number}")
    assert "the signature does not match" in shown and "webhook&#39;s settings" in shown.replace("'", "&#39;")
    assert f'action="/settings/deliveries/{number}/redeliver"' in shown


def test_a_number_that_no_database_could_hold_names_nothing(client: FlaskClient, database: Database) -> None:
    add(database)
    for number in (2**31, 2**63, 10**18 - 1):
        for kind in ("runs/r", "deployments/d", "deliveries/"):
            assert api(client, f"/{kind}{number}", 404)["code"] == "not_found"
        assert client.post(f"/api/v1/runs/r{number}/retry", json={}).status_code in {400, 404}
        said = client.post("/api/v1/chat", json={"text": f"cancel r{number}"})
        assert said.status_code == 200 and json.loads(said.text)["code"] == "not_understood"
    for path in ("runs", "deployments", "deliveries", "chat/messages"):
        assert "items" in api(client, f"/{path}?cursor={10**18 - 1}&limit={10**18 - 1}")
    assert len(api(client, f"/deliveries?cursor={2**31}")["items"]) == 1


def test_what_nobody_sent_cannot_be_sent_again(client: FlaskClient, database: Database) -> None:
    number = add(database, source="sweep", headers={}, body=b"")
    shown = page(client, f"/settings/deliveries/{number}")
    assert "Redeliver" not in shown and "nobody posted this" in shown


def test_the_list_never_reads_a_body(client: FlaskClient, database: Database) -> None:
    for number in range(50):
        add(database, key=f"big-{number}", body=b"x" * 100_000, detail=f"shop 1a2b3c4 on main is r{number}")
    shown = page(client, "/settings/deliveries")
    assert len(shown) < 50_000 and "xxxx" not in shown


def test_projects_say_where_to_post_and_when_they_were_heard_of(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        make.project(session, "quiet")
    add(database, code="accepted", source="sweep")
    with database.begin() as session:
        shop = session.query(ProjectRow).filter_by(name="shop").one()
        shop.recovered, shop.swept_at = 3, make.ago(60)
    told = {one["name"]: one for one in api(client, "/projects")["items"]}
    assert told["shop"]["hook_url"] == "http://127.0.0.1:8070/hooks/github/shop"
    assert (told["shop"]["recovered"], told["shop"]["last_delivery"]["source"]) == (3, "sweep")
    assert told["quiet"]["last_delivery"] is None and told["quiet"]["swept_at"] is None
    shown = page(client, "/settings")
    assert "3 pushes" in shown and "found by looking" in shown and "never" in shown
    assert "secret" not in client.get("/api/v1/projects").text


def test_where_nothing_is_pages_say_what_to_paste(client: FlaskClient, database: Database) -> None:
    assert "slipway hook install" in page(client, "/settings/deliveries")
    assert "slipway hook install" in page(client, "/settings")
    assert "No delivery matches" in page(client, "/settings/deliveries?code=ping")
    assert client.get("/deliveries").location == "/settings/deliveries"


SELDOM = (
    ("code=ping", "ix_delivery_code"),
    ("verdict=duplicate", "ix_delivery_code"),
    ("verdict=refused", "ix_delivery_refused"),
    ("source=sweep", "ix_delivery_source"),
    ("forge=git", "ix_delivery_forge"),
    ("project=shop", "ix_delivery_project"),
    ("project=shop&code=ping", "ix_delivery_code"),
    ("verdict=ignored", "ix_delivery_other"),
    ("project=shop&verdict=ignored", "ix_delivery_other"),
)


@pytest.mark.parametrize(("query", "index"), SELDOM)
def test_what_is_seldom_is_found_by_an_index(tmp_path: Path, query: str, index: str) -> None:
    database, plans = make.database(tmp_path), []
    add(database)

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if "ORDER BY delivery.id DESC" in statement:
            rows = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.append(" / ".join(row[-1] for row in rows))

    event.listen(database.engine, "before_cursor_execute", explain)
    transcripts = FileTranscripts(tmp_path / "transcripts", limit=1_000)
    app = create_app(serving.settings(tmp_path), ports=Ports(database=database, transcripts=transcripts))
    api(app.test_client(), f"/deliveries?{query}")
    database.dispose()
    assert len(plans) == 1 and index in plans[0]
    # Walking an index of the seldom alone is what it is for.
    assert "SCAN delivery USING INDEX" in plans[0] or "SCAN delivery" not in plans[0]
    assert "TEMP B-TREE" not in plans[0]
