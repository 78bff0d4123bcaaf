"""What is wrong gets a sentence, and what was serving is left alone."""

import hashlib
import hmac
import json
import subprocess
from typing import Any

import pytest

from tests.system import SLIPWAY_YML, Answer, Repository, System, service_files


@pytest.fixture(scope="module")
def good(slipway: System) -> Repository:
    """Return a project that serves."""
    repository = slipway.repository("bad")
    revision = repository.commit()
    repository.push()
    assert slipway.wait_run(revision)["state"] == "passed"
    return repository


@pytest.fixture
def serving(slipway: System, good: Repository) -> Any:
    """See that what served before the test still serves after it, whatever the test pushed."""
    yield good
    assert slipway.ask("web.staging.bad.slipway.localhost").text == "one\n"
    good.git("reset", "-q", "--hard", "HEAD~1")


def fail(repository: Repository, files: dict[str, str], stage: str) -> dict[str, Any]:
    """Push something that must fail in a stage and return that stage."""
    revision = repository.commit("Break it", files)
    repository.push("main", "--force")
    run = repository.system.wait_run(revision)
    assert run["state"] == "failed", run
    failed: list[dict[str, Any]] = [one for one in run["stages"] if one["state"] == "failed"]
    assert [one["name"] for one in failed] == [stage]
    assert run["reason"]
    return failed[0]


def test_tests_that_fail_deploy_nothing_and_show_their_last_lines(slipway: System, serving: Repository) -> None:
    stage = fail(serving, {"test.sh": "echo basket is empty; exit 3\n"}, "unit")
    assert "exited with 3" in stage["reason"]
    page = slipway.request("GET", "/runs/" + slipway.api("/runs?project=bad&limit=1")["items"][0]["id"])
    assert "basket is empty" in page.text


def test_a_dockerfile_that_does_not_build_names_its_step(slipway: System, serving: Repository) -> None:
    stage = fail(serving, {"Dockerfile": "FROM slipway/base-busybox:local\nRUN echo no luck && exit 7\n"}, "build")
    assert "7" in stage["reason"] and "RUN" in stage["reason"]
    run = slipway.api("/runs?project=bad&limit=1")["items"][0]
    assert "no luck" in slipway.request("GET", f"/api/v1/runs/{run['id']}/stages/build/log").text


def test_a_test_that_says_nothing_is_stopped(serving: Repository) -> None:
    quiet = SLIPWAY_YML.replace("silence: 30s", "silence: 1s")
    stage = fail(serving, {"slipway.yml": quiet, "test.sh": "sleep 60\n"}, "unit")
    assert "said nothing" in stage["reason"]


def test_a_test_that_takes_too_long_is_stopped(serving: Repository) -> None:
    short = SLIPWAY_YML.replace("timeout: 60s", "timeout: 2s")
    stage = fail(serving, {"slipway.yml": short, "test.sh": "while :; do echo .; sleep 1; done\n"}, "unit")
    assert "2 s" in stage["reason"]


def test_a_container_that_never_becomes_healthy_leaves_the_old_one_serving(serving: Repository) -> None:
    sick = SLIPWAY_YML.replace("health: {path: /index.html}", "health: {path: /nowhere, within: 2s}")
    stage = fail(serving, {"slipway.yml": sick}, "ci")
    assert "not healthy within 2 s" in stage["reason"] and "404" in stage["reason"]


def test_a_container_that_stops_at_once_shows_its_last_lines(slipway: System, serving: Repository) -> None:
    broken = 'FROM slipway/base-busybox:local\nCOPY . /www\nCMD ["sh", "-c", "echo no config; exit 4"]\n'
    stage = fail(serving, {"Dockerfile": broken}, "ci")
    assert "exit code 4" in stage["reason"]
    run = slipway.api("/runs?project=bad&limit=1")["items"][0]
    assert "no config" in slipway.request("GET", f"/api/v1/runs/{run['id']}/stages/ci/log").text


def test_a_wrong_key_is_named_with_its_line_and_the_likely_one(serving: Repository) -> None:
    stage = fail(serving, {"slipway.yml": SLIPWAY_YML.replace("stages:", "stagse:")}, "source")
    assert "slipway.yml:3" in stage["reason"] and "did you mean `stages`" in stage["reason"]


def hook(slipway: System, project: str, body: bytes, secret: str | None, **headers: str) -> Answer:
    sent = {"X_GitHub_Event": "push", "X_GitHub_Delivery": hashlib.sha256(body).hexdigest()[:12]}
    sent |= {"Content_Type": "application/json"} | headers
    if secret is not None:
        sent["X_Hub_Signature_256"] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return slipway.request("POST", f"/hooks/github/{project}", body, **sent)


@pytest.fixture(scope="module")
def github(slipway: System) -> tuple[Repository, str]:
    """Return a project whose pushes are told as GitHub tells them, and its secret."""
    repository = slipway.repository("hub0")
    added = slipway.command("project", "add", "hub", "--url", str(repository.bare), "--forge", "github", "--json")
    return repository, json.loads(added)["secret"]


def push_body(revision: str, **changes: Any) -> bytes:
    body = {"ref": "refs/heads/main", "before": "0" * 40, "after": revision, "created": True, "deleted": False}
    body |= {
        "forced": False,
        "commits": [],
        "head_commit": {"id": revision, "message": "Hello"},
        "pusher": {"name": "a"},
    }
    body["repository"] = {"name": "hub0", "full_name": "acme/hub0", "clone_url": "https://example.test/acme/hub0.git"}
    return json.dumps(body | changes).encode()


def test_a_signed_github_push_runs(slipway: System, github: tuple[Repository, str]) -> None:
    repository, secret = github
    revision = repository.commit()
    (repository.bare / "hooks" / "post-receive").unlink(missing_ok=True)
    repository.push()
    answer = hook(slipway, "hub", push_body(revision), secret)
    assert answer.status == 202 and answer.json["code"] == "accepted", answer
    again = hook(slipway, "hub", push_body(revision), secret)
    assert again.status == 200 and again.json["code"] == "duplicate"
    assert slipway.wait_run(revision, project="hub")["state"] == "passed"


def test_what_is_not_signed_is_refused_like_an_unknown_project(slipway: System, github: tuple[Repository, str]) -> None:
    _, secret = github
    body = push_body("a" * 40)
    answers = [
        hook(slipway, "hub", body, None),
        hook(slipway, "hub", body, "not the secret"),
        hook(slipway, "nobody", body, secret),
    ]
    assert [answer.status for answer in answers] == [401] * 3
    assert len({answer.text for answer in answers}) == 1
    assert slipway.api("/runs?revision=" + "a" * 40)["items"] == []


def test_what_cannot_be_read_is_refused_with_a_sentence(slipway: System, github: tuple[Repository, str]) -> None:
    _, secret = github
    for body in (b"not json", b"[]", b'{"ref": 1}', b"[" * 100_000):
        answer = hook(slipway, "hub", body, secret)
        assert answer.status == 400 and answer.json["detail"] and answer.json["code"], body[:20]
    assert hook(slipway, "hub", b"x", secret, Content_Type="text/plain").status == 415
    assert slipway.request("GET", "/hooks/github/hub").status == 405


def test_what_is_too_large_is_refused(slipway: System, github: tuple[Repository, str]) -> None:
    answer = hook(slipway, "hub", b" " * (25 * 1024**2 + 1), github[1])
    assert answer.status == 413


def test_a_deleted_branch_makes_no_run(slipway: System, github: tuple[Repository, str]) -> None:
    body = push_body("0" * 40, before="b" * 40, deleted=True, head_commit=None, created=False)
    answer = hook(slipway, "hub", body, github[1])
    assert answer.status == 200 and answer.json["code"] == "ref_deleted"


def test_a_push_that_is_gone_when_we_look_ends_without_blaming_anybody(
    slipway: System, github: tuple[Repository, str]
) -> None:
    answer = hook(slipway, "hub", push_body("c" * 40, ref="refs/heads/gone"), github[1])
    assert answer.status == 202
    run = slipway.wait_run("c" * 40, project="hub")
    assert run["state"] == "cancelled" and "no longer there" in run["reason"]


def test_an_engine_that_is_down_is_our_error_and_not_the_projects(tmp_path: Any, slipway: System) -> None:
    other = System(home=tmp_path / "home", work=tmp_path / "work")
    other.work.mkdir()
    other.settings["SLIPWAY_DOCKER__HOST"] = f"unix://{tmp_path}/no-engine.sock"
    other.command("up", "-d", check=False)
    other.where = json.loads(other.command("status", "--json"))
    try:
        repository = other.repository("down", service_files("x"))
        revision = repository.commit()
        subprocess.run(["git", "push", "-q", "origin", "main"], cwd=repository.clone, capture_output=True, check=True)
        run = other.wait_run(revision)
        assert run["state"] == "error" and "engine" in run["reason"], run
        assert other.request("GET", "/readyz").status == 503
    finally:
        other.command("down", "--all", check=False)
