"""The graph as people meet it: a stage that passes on retry, one that may fail, parts by hand, a stranger's code."""

import hashlib
import hmac
import json
from typing import Any

from tests.system import Answer, Repository, System, service_files, until

GRAPH = """services:
  web: {port: 8080}
stages:
  build: {build: all}
  unit: {needs: [build], retry: 1, test: {in: web, run: 'test "$SLIPWAY_ATTEMPT" -gt 1', network: none}}
  scan: {needs: [build], allow_failure: true, test: {in: web, run: "echo 3 findings; exit 3", network: none}}
  live: {needs: [unit, scan], concurrency: one, test: {in: web, run: "true", network: none}}
"""
FORKED = """services:
  web: {port: 8080}
trigger:
  pull_request: {branches: [main]}
stages:
  build: {build: all}
  unit: {needs: [build], test: {in: web, run: "sh /www/test.sh", network: none}}
  deep: {needs: [build], allow_failure: true, test: {in: web, run: "true", network: none, secrets: [TOKEN]}}
  staging: {needs: [unit], deploy: staging}
"""


def stages(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in run["stages"]}


def ended(slipway: System, run: str, seconds: float = 120) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def done() -> bool:
        found.update(slipway.api(f"/runs/{run}"))
        return found["state"] not in {"queued", "running", "waiting"}

    until(done, seconds, lambda: f"{run} is {found}")
    return found


def test_a_pass_on_retry_is_flaky_a_stage_may_fail_and_parts_are_run_by_hand(slipway: System) -> None:
    repository = slipway.repository("graph", service_files("one") | {"slipway.yml": GRAPH})
    revision = repository.commit()
    repository.push()
    run = slipway.wait_run(revision, 120)
    found = stages(run)
    assert (run["state"], run["flaky"]) == ("passed", True), run
    assert (found["unit"]["state"], found["unit"]["flaky"], found["unit"]["tries"]) == ("passed", True, 1)
    assert (found["scan"]["state"], found["live"]["state"]) == ("failed", "passed")
    page = slipway.request("GET", f"/runs/{run['id']}").text
    assert "passed on retry (flaky)" in page and "failed (allowed)" in page
    assert "flaky" in slipway.command("run", "view", run["id"])

    words = ("build", "main", "--project", "graph", "--stage", "scan", "--reason", "new rules", "--json")
    (other,) = json.loads(slipway.command(*words))["runs"]
    part = ended(slipway, other)
    assert (part["wanted"], part["asked_reason"], part["revision"]) == (["scan"], "new rules", revision)
    assert {name for name, one in stages(part).items() if one["state"] == "skipped"} == {"unit", "live"}

    again = json.loads(slipway.command("run", "retry", run["id"], "--stage", "scan", "--json"))
    assert again["runs"] == [run["id"]]
    run = ended(slipway, run["id"])
    assert (run["state"], stages(run)["scan"]["attempt"], stages(run)["live"]["attempt"]) == ("passed", 2, 1)


def signed(slipway: System, secret: str, event: str, body: dict[str, Any]) -> Answer:
    raw = json.dumps(body).encode()
    mac = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    headers = {"X_GitHub_Event": event, "X_GitHub_Delivery": hashlib.sha256(raw).hexdigest()[:32]}
    return slipway.request(
        "POST",
        "/hooks/github/forked",
        raw,
        Content_Type="application/json",
        X_Hub_Signature_256=f"sha256={mac}",
        **headers,
    )


def pushed(repository: Repository, secret: str, revision: str) -> Answer:
    said = {"ref": "refs/heads/main", "before": "0" * 40, "after": revision, "head_commit": {"id": revision}}
    body = {**said, "repository": {"full_name": "acme/forked"}, "pusher": {"name": "ana"}}
    return signed(repository.system, secret, "push", body)


def asked(repository: Repository, secret: str, revision: str) -> Answer:
    head = {"ref": "main", "sha": revision, "repo": {"id": 2, "full_name": "mallory/forked"}}
    base = {"ref": "main", "sha": "0" * 40, "repo": {"id": 1, "full_name": "acme/forked"}}
    request = {"title": "Faster", "user": {"login": "mallory"}, "head": head, "base": base}
    body = {"action": "opened", "number": 7, "pull_request": request, "repository": base["repo"]}
    return signed(repository.system, secret, "pull_request", body)


def test_G17_a_forks_pull_request_waits_for_somebody_and_then_gets_no_secrets(slipway: System) -> None:
    repository = slipway.bare_repository("forked", service_files("one") | {"slipway.yml": FORKED})
    added = slipway.command("project", "add", "forked", "--url", str(repository.bare), "--forge", "github", "--json")
    secret = json.loads(added)["secret"]
    ours = repository.commit()
    repository.git("push", "-q", "origin", "main")
    assert pushed(repository, secret, ours).status == 202
    assert slipway.wait_run(ours)["state"] == "passed"

    theirs = repository.commit("Faster", {"test.sh": "env | grep -c TOKEN; echo theirs\n"})
    repository.git("push", "-q", "origin", "HEAD:refs/pull/7/head")
    answer = asked(repository, secret, theirs)
    assert answer.status == 202, answer.text
    (name,) = answer.json["runs"]
    waiting = slipway.api(f"/runs/{name}")
    assert (waiting["state"], waiting["trusted"], waiting["pull_request"]) == ("waiting", False, 7)
    assert slipway.say(f"approve {name}")["runs"] == [name]
    run = ended(slipway, name)
    found = stages(run)
    assert (run["state"], run["approved_by"], run["revision"]) == ("passed", "ana@example.test", theirs), run
    assert (found["unit"]["state"], found["deep"]["code"]) == ("passed", "no_secrets_for_forks")
    assert found["staging"]["state"] == "skipped"
    refused = slipway.request(
        "POST", f"/api/v1/runs/{name}/retry", b'{"stage": "staging"}', Content_Type="application/json"
    )
    assert (refused.status, refused.json["code"]) == (409, "not_for_this_run"), refused.text
    assert slipway.api(f"/runs/{name}")["state"] == "passed"
    assert slipway.cell("forked")["revision"] == ours
