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


@pytest.mark.parametrize(
    "text", ["[" * 1_000, "{a: " * 1_000, "a: [" + "x," * 5_000 + "]", "services:\n" + "  web: {build: .}\n" * 3_000]
)
def test_what_would_keep_the_web_process_busy_is_refused_before_it_is_read(client: FlaskClient, text: str) -> None:
    answer = check(client, {"files": {"slipway.yml": text}})
    assert (answer.status_code, answer.get_json()["code"]) == (413, "too_large")


def test_brackets_in_texts_are_no_depth(client: FlaskClient) -> None:
    unit = f"  unit: {{needs: [build], test: {{in: web, run: 'x {'[' * 40}'}}}}"
    text = f"services: {{web: {{}}}}\nstages:\n  build: {{build: [web]}}\n{unit}\n"
    assert check(client, {"files": {"slipway.yml": text, "Dockerfile": "FROM scratch"}}).get_json() == {"problems": []}


@pytest.mark.parametrize("line", ["  web: {build: .}\n", "  web{}: {{prot: 1}}\n", "  Web{}: {{}}\n"])
@pytest.mark.parametrize("file", ["slipway.yml", "compose.yaml"])
def test_nobody_is_told_more_problems_than_can_be_read(client: FlaskClient, line: str, file: str) -> None:
    text = "services:\n" + "".join(line.format(number) if "{}" in line else line for number in range(500))
    found = check(client, {"files": {file: text}}).get_json()["problems"]
    assert len(found) == 101
    assert found[-1]["sentence"] == "there is more wrong, told once this is mended"


def test_of_many_names_only_some_are_told(client: FlaskClient) -> None:
    stages = "".join(f"  s{number}: {{build: [web]}}\n" for number in range(150))
    text = f"services: {{web: {{}}}}\nstages:\n{stages}  unit: {{build: [web], needs: [nobody]}}\n"
    found = check(client, {"files": {"slipway.yml": text, "Dockerfile": "FROM scratch"}}).get_json()["problems"]
    assert [one["sentence"][:43] for one in found] == ["no stage 'nobody'; there are: s0, s1, s2, s"]
    assert "more" in found[0]["sentence"] and len(found[0]["sentence"]) < 200


def test_what_is_no_set_of_files_is_told_so(client: FlaskClient) -> None:
    answer = check(client, {"files": ["slipway.yml"]})
    assert (answer.status_code, answer.get_json()["detail"]) == (400, "`files` must be texts by their paths")


def test_the_schema_is_there_for_editors_without_a_token(client: FlaskClient) -> None:
    answer = client.get("/schema/slipway.json")
    assert (answer.status_code, answer.get_json()["title"]) == (200, "slipway.yml")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
