"""slipway.yml through the API: its schema, and what is wrong with one."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests import serving

BAD = "services:\n  web: {prot: 1}\nstages: {build: {build: [wbe]}}\n"


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return serving.app(tmp_path).test_client()


def check(client: FlaskClient, body: dict[str, Any]) -> Any:
    return client.post("/api/v1/config/check", json=body)


def test_a_good_configuration_has_no_problems(client: FlaskClient) -> None:
    assert check(client, {"files": {"Dockerfile": "FROM scratch"}}).get_json() == {"problems": []}


def test_every_problem_has_a_line(client: FlaskClient) -> None:
    found = check(client, {"files": {"slipway.yml": BAD}, "project": "Shop"}).get_json()["problems"]
    assert [(one["file"], one["line"], one["where"]) for one in found] == [
        ("slipway.yml", 2, "services.web"),
        ("slipway.yml", 3, "stages.build"),
    ]
    assert found[0]["sentence"] == "unknown key `prot` — did you mean `port`?"


def test_a_compose_file_is_read_with_it_and_no_other_file_of_the_server_ever(client: FlaskClient) -> None:
    compose = "services: {web: {image: x, env_file: [/etc/passwd, app.env]}}"
    found = check(client, {"files": {"compose.yaml": compose}}).get_json()["problems"]
    assert [one["sentence"] for one in found] == [
        "`env_file` names /etc/passwd, which is not in this commit",
        "`env_file` names app.env, which is not in this commit",
    ]


def test_too_much_is_refused(client: FlaskClient) -> None:
    answer = check(client, {"files": {"slipway.yml": "#" * 40_000, "compose.yaml": "#" * 40_000}})
    assert (answer.status_code, answer.get_json()["code"]) == (413, "too_large")


def test_what_is_no_set_of_files_is_told_so(client: FlaskClient) -> None:
    answer = check(client, {"files": ["slipway.yml"]})
    assert (answer.status_code, answer.get_json()["detail"]) == (400, "`files` must be texts by their paths")


def test_the_schema_is_there_for_editors_without_a_token(client: FlaskClient) -> None:
    answer = client.get("/schema/slipway.json")
    assert (answer.status_code, answer.get_json()["title"]) == (200, "slipway.yml")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
