"""The JSON that programs rely on, in the shapes of docs/reference/api.md."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from dashboard.health import make_health
from store.session import Database
from tests import factories as make
from tests import serving


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def database(home: Path) -> Any:
    made = make.database(home)
    yield made
    made.engine.dispose()


@pytest.fixture
def client(home: Path, database: Database) -> FlaskClient:
    return serving.app(home).test_client()


def get(client: FlaskClient, path: str, status: int = 200) -> Any:
    answer = client.get(f"/api/v1{path}")
    assert answer.status_code == status, answer.text
    kind = "application/json" if status == 200 else "application/problem+json"
    assert answer.content_type == kind
    return answer.json


def test_a_run_has_the_shape_programs_rely_on(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        shop = make.project(session)
        row = make.run(
            session,
            shop,
            {"source": "passed", "unit": "failed", "staging": "skipped"},
            state="failed",
            ref="refs/tags/v1",
        )
        make.image(session, row)
        revision = row.revision
    run = get(client, "/runs/r1")
    assert run == get(client, "/runs/1") == get(client, "/runs")["items"][0]
    assert set(run) >= {
        "id", "project", "ref", "branch", "tag", "revision", "message", "author", "trigger", "state", "reason",
        "created_at", "started_at", "finished_at", "url", "stages", "images",
    }  # fmt: skip
    assert (run["id"], run["branch"], run["tag"], run["revision"]) == ("r1", None, "v1", revision)
    assert run["url"] == "http://127.0.0.1:8070/runs/r1"
    assert run["created_at"].endswith("Z") and "+" not in run["created_at"]
    assert [(one["name"], one["state"], one["attempt"]) for one in run["stages"]] == [
        ("source", "passed", 1),
        ("unit", "failed", 1),
        ("staging", "skipped", 0),
    ]
    assert set(run["stages"][0]) >= {
        "name",
        "kind",
        "state",
        "attempt",
        "started_at",
        "finished_at",
        "reason",
        "log_url",
    }
    assert run["stages"][1]["log_url"] == "http://127.0.0.1:8070/api/v1/runs/r1/stages/unit/log"
    image = run["images"][0]
    assert (
        image["service"] == "web"
        and image["tag"].endswith(f"/shop/web:{revision}")
        and image["digest"].startswith("sha256:")
    )


def test_runs_are_filtered_and_paged_newest_first(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        shop, blog = make.project(session), make.project(session, "blog")
        for number in range(5):
            make.run(session, shop, began=100 - number, state="failed" if number == 2 else "passed")
        make.run(session, blog, began=1, ref="refs/heads/feature/x", word="blog")

    def ids(query: str) -> list[str]:
        return [run["id"] for run in get(client, f"/runs?{query}")["items"]]

    assert ids("") == ["r6", "r5", "r4", "r3", "r2", "r1"]
    assert ids("project=shop&state=failed") == ["r3"]
    assert ids("branch=feature/x") == ["r6"]
    assert ids(f"revision={make.revision('blog')}") == ids(f"revision={make.revision('blog')[:7]}") == ["r6"]
    assert ids("revision=%25") == ids("project=nobody") == []
    first = get(client, "/runs?limit=4")
    second = get(client, f"/runs?limit=4&cursor={first['next']}")
    assert [run["id"] for run in first["items"] + second["items"]] == ["r6", "r5", "r4", "r3", "r2", "r1"]
    assert second["next"] is None
    assert get(client, "/runs?limit=6")["next"] is None


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/runs/r9", 404, "not_found"),
        ("/runs/d1", 404, "not_found"),
        ("/runs/99999999999999999999", 404, "not_found"),
        ("/runs/%C2%B2", 404, "not_found"),
        ("/deployments/r1", 404, "not_found"),
        ("/deployments/d9", 404, "not_found"),
        ("/runs/r1/stages/unit/log", 404, "not_found"),
        ("/runs?limit=x", 400, "bad_limit"),
        ("/runs?cursor=-1", 400, "bad_cursor"),
        ("/runs?state=broken", 400, "bad_state"),
        ("/nothing", 404, "not_found"),
    ],
)
def test_what_is_not_there_is_a_problem_with_a_sentence(client: FlaskClient, path: str, status: int, code: str) -> None:
    problem = get(client, path, status)
    assert set(problem) == {"type", "title", "status", "code", "detail", "fix"}
    assert (problem["status"], problem["code"]) == (status, code) and problem["detail"]


def test_a_wrong_method_is_a_problem_too(client: FlaskClient) -> None:
    answer = client.delete("/api/v1/runs", content_type="application/json")
    assert (
        answer.status_code == 405
        and json.loads(answer.text)["code"] == "method_not_allowed"
        and "GET" in answer.headers["Allow"]
    )


def test_the_matrix_says_what_runs_where(client: FlaskClient, database: Database) -> None:
    new, old = make.revision("new"), make.revision("old")
    with database.begin() as session:
        shop, blog = make.project(session), make.project(session, "blog")
        ci, staging = make.environment(session, shop, "ci", position=0), make.environment(session, shop)
        make.deployment(session, ci, {"web": new, "api": new})
        live = make.deployment(session, staging, {"web": old})
        make.instance(session, live, "web", state="starting")
        make.deployment(session, staging, {"web": new}, live=False, state="running", finished_at=None)
        make.deployment(session, make.environment(session, blog), {"web": old}, live=True)
    matrix = get(client, "/matrix")
    assert matrix["environments"] == ["ci", "staging"]
    assert matrix["services"] == ["api", "blog/web", "shop/web"]
    cells = {(cell["service"], cell["environment"]): cell for cell in matrix["cells"]}
    cell = cells["shop/web", "staging"]
    assert (cell["revision"], cell["state"], cell["healthy"], cell["replicas"]) == (old, "deploying", 1, 2)
    assert (cell["deployment"], cell["coming"]) == ("d2", "d3")
    assert "http://web.staging.shop.slipway.localhost:8080" in cell["urls"]
    assert cell["image"].startswith("localhost:5100/shop/web@sha256:") and cell["since"].endswith("Z")
    assert cells["api", "ci"]["state"] == "live"


@pytest.mark.parametrize(
    ("states", "word"), [(["live"], "live"), (["live", "starting"], "degraded"), (["gone"], "down"), ([], "down")]
)
def test_a_cell_is_as_well_as_its_containers(
    client: FlaskClient, database: Database, states: list[str], word: str
) -> None:
    with database.begin() as session:
        made = make.deployment(session, make.environment(session, make.project(session)), {"web": "a" * 40})
        session.execute(text("delete from instance"))
        for state in states:
            make.instance(session, made, "web", state=state)
    assert get(client, "/matrix")["cells"][0]["state"] == word


def test_a_deployment_tells_what_why_and_how(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        shop = make.project(session)
        run = make.run(session, shop)
        staging = make.environment(session, shop)
        first = make.deployment(
            session, staging, {"web": "a" * 40}, steps=[{"name": "start", "detail": "1 container", "at": "x"}]
        )
        make.deployment(
            session, staging, {"web": "b" * 40}, run_id=run.id, from_id=first.id, cause="chat", actor="bo@example.com"
        )
    items = get(client, "/deployments?environment=staging")["items"]
    assert [one["id"] for one in items] == ["d2", "d1"]
    assert set(items[0]) >= {
        "id", "project", "environment", "strategy", "state", "cause", "from_set", "to_set", "services", "steps",
        "created_at", "finished_at", "url",
    }  # fmt: skip
    assert (items[0]["cause"], items[0]["run"], items[0]["from"]) == ("chat", "r1", "d1")
    assert items[0]["services"][0]["revision"] == "b" * 40
    assert get(client, "/deployments?environment=nowhere")["items"] == []
    one = get(client, "/deployments/d1")
    assert one["steps"][0]["name"] == "start" and one["instances"][0]["state"] == "live" and one["urls"]["web"]
    assert get(client, "/runs/r1")["deployments"] == ["d2"]


def test_deliveries_name_their_runs_and_hold_no_secrets(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        shop = make.project(session, secret="hush-hush")
        kept = make.delivery(session, shop, headers={"X-Secret": "hush-hush"}, body=b"hush-hush")
        for number in range(2):
            make.run(session, shop, began=number + 1, delivery_id=kept.id)
        make.delivery(session, None, verdict="refused", code="bad_signature")
    answer = client.get("/api/v1/deliveries").text + client.get("/api/v1/projects").text
    assert "hush" not in answer and "git.example" not in answer
    items = get(client, "/deliveries")["items"]
    assert [(one["id"], one["project"], one["runs"]) for one in items] == [("2", None, []), ("1", "shop", ["r1", "r2"])]
    assert get(client, "/projects")["items"][0]["name"] == "shop"
    assert get(client, "/deliveries?project=shop&limit=1")["items"][0]["id"] == "1"


def test_environments_say_who_pinned_them(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        make.environment(session, make.project(session), pinned_by="bo@example.com", pin_reason="5xx")
    place = get(client, "/environments")["items"][0]
    assert (place["name"], place["pin"], place["live"]) == ("staging", {"by": "bo@example.com", "reason": "5xx"}, None)


def test_chat_messages_have_the_recorders_shape(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        make.message(session, "first", at=20)
        make.message(session, "second", at=10, edits=3, blocks=[{"type": "divider"}])
    items = get(client, "/chat/messages?channel=%23deploys")["items"]
    assert [one["text"] for one in items] == ["second", "first"]
    assert set(items[0]) >= {"channel", "ts", "thread_ts", "text", "blocks", "edits"}
    assert items[0]["edits"] == 3


def test_every_part_has_a_word_and_one_that_is_down_makes_it_503(
    home: Path, database: Database, client: FlaskClient
) -> None:
    def parts() -> Any:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        return json.loads(answer.text)["parts"]

    assert set(parts()) == {"database", "clock", "redis", "registry", "proxy", "dns", "engine", "disk"}
    assert parts()["database"] == "up" and parts()["clock"] == parts()["redis"] == "down"
    with database.begin() as session:
        lease = make.lease(session, until=time.time() + 60)
    assert parts()["clock"] == "up"
    with database.begin() as session:
        session.merge(lease).until = time.time() - 1
    assert parts()["clock"] == "down"
    # Words only: nothing here tells a stranger where things are.
    assert str(home) not in client.get("/readyz").text


def test_a_disk_with_little_room_is_shown_and_pushes_are_taken_in_all_the_same(database: Database) -> None:
    app = Flask(__name__)
    app.register_blueprint(make_health(database, {}, lambda: "only 3 MB are free"))
    with database.begin() as session:
        make.lease(session, until=time.time() + 60)
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["parts"]["disk"]) == (200, "low")


def test_a_database_that_does_not_answer_is_503_and_says_when_to_come_again(
    client: FlaskClient, database: Database
) -> None:
    with database.begin() as session:
        session.execute(text("alter table run rename to gone"))
    answer = client.get("/api/v1/runs")
    assert answer.status_code == 503 and json.loads(answer.text)["code"] == "database_unavailable"
    assert answer.headers["Retry-After"]
    assert "gone" not in answer.text and "select" not in answer.text.lower()


def test_a_mistake_of_ours_tells_a_number_and_no_traceback(
    client: FlaskClient, database: Database, caplog: Any
) -> None:
    with database.begin() as session:
        make.message(session, "x", blocks=[])
        session.execute(text("update recorded set created_at = 'hush-hush'"))
    answer = client.get("/api/v1/chat/messages")
    assert answer.status_code == 500 and json.loads(answer.text)["code"] == "error"
    assert "hush" not in answer.text and "Traceback" not in answer.text
    number = json.loads(answer.text)["detail"].rsplit(" ", 1)[1].rstrip(".")
    assert number in caplog.text and "hush-hush" in caplog.text
