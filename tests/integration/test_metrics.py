"""/metrics: what Prometheus reads is what the tables hold, also after a restart, for those who may read them."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from app import Ports, create_app
from runtime.transcripts import FileTranscripts
from store.schema import JobRow, RunRow
from store.session import Database
from store.views_metrics import ended_runs
from tests import factories as make
from tests import serving
from tests.senders import Told, github


@pytest.fixture
def client(tmp_path: Path, database: Database) -> FlaskClient:
    return web(tmp_path, database)


def web(home: Path, database: Database) -> FlaskClient:
    """Return a web process that has just begun."""
    transcripts = FileTranscripts(home / "transcripts", limit=1_000)
    return create_app(serving.settings(home), ports=Ports(database=database, transcripts=transcripts)).test_client()


def scraped(client: FlaskClient) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Return every sample by its name and its labels, as Prometheus' own parser reads them."""
    answer = client.get("/metrics")
    assert answer.status_code == 200 and answer.content_type.startswith("text/plain")
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[labels(sample.labels)] = sample.value
    return found


def labels(values: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(values.items())


def test_what_ended_is_counted_and_what_has_not_is_shown(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        shop = make.project(session, recovered=7)
        for number, state in enumerate(("passed", "passed", "failed", "running", "queued", "superseded")):
            make.run(session, shop, state=state, began=100 - number)
        make.run(session, shop, began=1, trigger="sweep")
        staging = make.environment(session, shop, pinned_by="bo")
        make.deployment(session, staging, {"web": "a" * 40})
        make.deployment(session, staging, {"web": "b" * 40}, live=False, state="running")
    found = scraped(client)
    shop_runs = {
        (dict(one)["trigger"], dict(one)["result"]): count for one, count in found["slipway_runs_total"].items()
    }
    assert shop_runs == {
        ("push", "passed"): 2,
        ("push", "failed"): 1,
        ("push", "superseded"): 1,
        ("sweep", "passed"): 1,
    }
    assert found["slipway_runs_active"] == {
        labels({"project": "shop", "state": "running"}): 1,
        labels({"project": "shop", "state": "queued"}): 1,
    }
    assert found["slipway_recovered_events_total"] == {labels({"project": "shop"}): 7}
    place = {"project": "shop", "environment": "staging"}
    assert found["slipway_deployments_total"] == {labels(place | {"strategy": "rolling", "result": "deployed"}): 1}
    assert found["slipway_deployment_info"] == {labels(place | {"service": "web", "revision": "a" * 40}): 1}
    assert found["slipway_environment_paused"] == {labels(place): 1}
    assert found["slipway_component_up"][labels({"component": "database"})] == 1
    assert next(iter(found["slipway_build_info"].values())) == 1


def test_counters_are_the_same_after_a_restart(client: FlaskClient, database: Database, tmp_path: Path) -> None:
    with database.begin() as session:
        shop = make.project(session)
        for number in range(10):
            make.run(session, shop, began=100 - number, state="running" if number in {3, 7} else "passed")
    first = scraped(client)["slipway_runs_total"]
    with database.begin() as session:
        session.query(RunRow).filter_by(id=4).update({"state": "failed"})
        make.run(session, session.get_one(type(shop), shop.id), began=1)
    again, fresh = scraped(client)["slipway_runs_total"], scraped(web(tmp_path, database))["slipway_runs_total"]
    assert sum(first.values()) == 8 and sum(again.values()) == 10
    assert again == fresh


def test_what_is_settled_is_not_read_again(database: Database) -> None:
    counter = ended_runs()
    with database.begin() as session:
        shop = make.project(session)
        for number in range(6):
            make.run(session, shop, began=100 - number, state="running" if number == 4 else "passed")
    with database.read() as session:
        assert sum(counter.count(session).values()) == 5
    with database.begin() as session:
        # Were the settled ones read again, they would be missed now.
        session.execute(text("update run set state = 'lost' where id <= 4"))
    with database.read() as session:
        assert {key[2]: count for key, count in counter.count(session).items()} == {"passed": 5}


def test_every_webhook_is_counted_and_stays_so_when_it_is_forgotten(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        make.project(session, url="https://github.com/acme/shop.git", secret="right")
    told = Told(repository="acme/shop", after=make.revision("a"))
    first, wrong = github(told, "right"), github(told, "wrong")
    for sent in (first, first, github(told, "right"), wrong, wrong):
        client.post("/hooks/github/shop", data=sent.body, headers=sent.headers)
    with database.begin() as session:
        session.execute(text("update run set delivery_id = null"))
        session.execute(text("delete from delivery"))
    assert scraped(client)["slipway_hooks_received_total"] == {
        labels({"forge": "github", "event": "push", "result": "accepted"}): 1,
        labels({"forge": "github", "event": "push", "result": "duplicate"}): 2,
        labels({"forge": "github", "event": "", "result": "refused"}): 2,
    }


def test_queues_say_how_much_waits_and_for_how_long(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        for number, (state, due) in enumerate(
            (("queued", 60), ("queued", 5), ("queued", -600), ("running", 9), ("done", 9))
        ):
            at = make.ago(due)
            values = {"ref_id": number, "state": state, "not_before": at.timestamp(), "created_at": at}
            session.add(JobRow(kind="stage", queue="stages", **values))
    found = scraped(client)
    assert found["slipway_queue_jobs"] == {
        labels({"queue": "stages", "state": "queued"}): 3,
        labels({"queue": "stages", "state": "running"}): 1,
    }
    assert 59 < found["slipway_queue_oldest_job_age_seconds"][labels({"queue": "stages"})] < 3_600


def test_a_name_is_escaped_in_a_label(client: FlaskClient, database: Database) -> None:
    odd = 'a"b\\c\nd} 1'
    with database.begin() as session:
        make.environment(session, make.project(session), odd)
    assert labels({"project": "shop", "environment": odd}) in scraped(client)["slipway_environment_paused"]


def test_without_a_database_its_absence_is_still_told(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/none/at/all.db")
    client = web(tmp_path, database)
    (tmp_path / "none" / "at" / "all.db").unlink()
    (tmp_path / "none" / "at").rmdir()
    found = scraped(client)
    assert found["slipway_component_up"][labels({"component": "database"})] == 0
    assert "slipway_runs_total" not in found


def test_L6_metrics_and_the_description_are_for_those_who_may_read(tmp_path: Path) -> None:
    make.database(tmp_path).dispose()
    app = create_app(serving.settings(tmp_path, token="t" * 20, public_url="https://ci.example.com"))
    client = app.test_client()
    for path in ("/metrics", "/openapi.json"):
        outside = client.get(path, headers={"Host": "ci.example.com"})
        assert outside.status_code == 401 and outside.content_type == "application/problem+json"
        known = client.get(path, headers={"Host": "ci.example.com", "Authorization": f"Bearer {'t' * 20}"})
        assert known.status_code == 200
    page = client.get("/docs", headers={"Host": "ci.example.com", "Accept": "text/html"})
    assert page.status_code == 302 and page.location.startswith("/login")
