"""What the API says of itself holds: every route is described, and whatever is sent, the answer is as described."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from flask import Flask
from schemathesis import engine
from schemathesis.config import (
    ChecksConfig,
    GenerationConfig,
    NotAServerErrorConfig,
    OperationConfig,
    OperationsConfig,
    PhasesConfig,
    PositiveDataAcceptanceConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
    StatefulPhaseConfig,
)
from schemathesis.engine import events
from schemathesis.filters import FilterSet

from dashboard.api.operations import OPERATIONS
from store.session import Database
from tests import factories as make
from tests import serving

EXAMPLES = 6
DOWN = ChecksConfig(
    not_a_server_error=NotAServerErrorConfig(enabled=False),
    positive_data_acceptance=PositiveDataAcceptanceConfig(expected_statuses=["503"]),
)
PUBLISHED = re.compile(r"/(api/v1|hooks|schema)/|/(healthz|readyz|metrics|openapi\.json)$")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """Serve a home where there is one of everything."""
    home = tmp_path_factory.mktemp("home")
    made = serving.app(home)
    database = Database(f"sqlite:///{home / 'slipway.db'}")
    with database.begin() as session:
        shop = make.project(session)
        delivery = make.delivery(session, shop, headers={"content-type": "application/json"})
        run = make.run(session, shop, {"source": "passed", "unit": "failed"}, state="failed", delivery_id=delivery.id)
        make.image(session, run)
        make.deployment(session, make.environment(session, shop, pinned_by="bo"), {"web": run.revision}, run_id=run.id)
        make.message(session, "said", blocks=[{"type": "divider"}])
    database.dispose()
    make.transcript(home, 1, "unit", "no basket\n")
    return made


@pytest.fixture(scope="module")
def schema(app: Flask) -> Any:
    def here(environ: dict[str, Any], start: Any) -> Any:
        """Pass a request on as one from this machine, which it is."""
        return app.wsgi_app({**environ, "REMOTE_ADDR": "127.0.0.1"}, start)

    generation = GenerationConfig(max_examples=EXAMPLES, deterministic=True, database="none")
    operations = OperationsConfig(
        operations=[
            # A log that is followed has no end.
            OperationConfig(filter_set=_at("/stream$"), enabled=False),
            # Nothing is up here, and it says so.
            OperationConfig(filter_set=_at("/readyz$"), checks=DOWN),
        ]
    )
    phases = PhasesConfig(stateful=StatefulPhaseConfig(enabled=False))
    # A well-formed request may ask for what cannot be done, and a webhook that nobody signed is refused.
    accepted = PositiveDataAcceptanceConfig(expected_statuses=["2xx", "400", "401", "404", "409", "415"])
    checks = ChecksConfig(positive_data_acceptance=accepted)
    project = ProjectConfig(generation=generation, phases=phases, operations=operations, checks=checks)
    config = SchemathesisConfig(projects=ProjectsConfig(default=project), seed=1)
    return schemathesis.openapi.from_wsgi("/openapi.json", here, config=config)


def _at(path: str) -> FilterSet:
    found = FilterSet()
    found.include(path_regex=path)
    return found


def document(app: Flask) -> Any:
    return json.loads(app.test_client().get("/openapi.json").text)


def test_every_route_is_described_and_every_description_has_its_route(app: Flask) -> None:
    routes = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if PUBLISHED.match(rule.rule) and method not in {"HEAD", "OPTIONS"}
    }
    assert routes == set(OPERATIONS)


def test_the_description_is_valid_openapi(app: Flask) -> None:
    described = document(app)
    assert described["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(described).validate()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], f"{method} {path} says nothing"
            problem = {"$ref": "#/components/schemas/Problem"}
            for status in ("400", "401", "503"):
                assert operation["responses"][status]["content"]["application/problem+json"]["schema"] == problem
    text = json.dumps(described)
    for reference in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert reference in described["components"]["schemas"]


def test_whatever_is_sent_the_answer_is_as_described(schema: Any) -> None:
    faults: dict[str, str] = {}
    tried = 0
    for event in engine.from_schema(schema).execute():
        assert not isinstance(event, events.FatalError), event
        if isinstance(event, events.NonFatalError):
            faults[event.label] = str(event.info.format())
        if isinstance(event, events.ScenarioFinished):
            tried += len(event.recorder.cases)
            faults |= dict(_faults(event.recorder))
    assert not faults, "\n\n".join(f"{what}\n{how}" for what, how in sorted(faults.items()))
    assert tried > 500


def _faults(recorder: Any) -> Iterator[tuple[str, str]]:
    for case, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info:
                failure = check.failure_info.failure
                what = f"{recorder.label}: {check.name}: {failure.title}"
                yield what, f"{failure.message}\n{check.failure_info.code_sample}\n{case}"
