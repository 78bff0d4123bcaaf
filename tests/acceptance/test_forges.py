"""Git hosts and Slipway: every forge's push, the push nobody told of, the answer back, and what overtakes what."""

import json
from typing import Any

import pytest

from tests.senders import SENDERS, Delivery, Told
from tests.system import Answer, Repository, System, service_files, until

LEAN = """services:
  web: {port: 8080}
stages:
  build: {build: all}
"""
FAR = """services:
  web: {port: 8080, health: {path: /index.html}, drain: 1s, main: true}
stages:
  build: {build: all}
  staging: {deploy: staging}
environments:
  staging: {branches: ["**"]}
"""
TWO = """services:
  web: {build: {context: web}, paths: ["web/**"]}
  api: {build: {context: api}, paths: ["api/**"]}
stages:
  build: {build: all}
trigger:
  push: {paths_ignore: ["docs/**"]}
"""


def silent(slipway: System, name: str, files: dict[str, str], forge: str = "git") -> tuple[Repository, str]:
    """Make a project whose repository tells nobody of its pushes, and return its secret too."""
    repository = slipway.bare_repository(name, files)
    added = slipway.command("project", "add", name, "--url", str(repository.bare), "--forge", forge, "--json")
    return repository, json.loads(added)["secret"]


def lean_files(word: str = "one") -> dict[str, str]:
    return service_files(word) | {"slipway.yml": LEAN}


def post(slipway: System, door: str, project: str, delivery: Delivery) -> Answer:
    headers = {name.replace("-", "_"): value for name, value in delivery.headers.items()}
    return slipway.request("POST", f"/hooks/{door}/{project}", delivery.body, **headers)


def run_of(slipway: System, name: str) -> dict[str, Any]:
    found: dict[str, Any] = slipway.api(f"/runs/{name}")
    return found


def ended(slipway: System, name: str, seconds: float = 60) -> dict[str, Any]:
    """Wait until a run has ended and return it."""
    last: dict[str, Any] = {}

    def done() -> bool:
        last.update(run_of(slipway, name))
        return last["state"] not in {"queued", "running", "waiting"}

    until(done, seconds, lambda: f"{name} is {last}")
    return last


@pytest.mark.parametrize("sender", SENDERS)
def test_a_push_that_a_forge_tells_of_is_built(slipway: System, sender: str) -> None:
    forge = sender.removesuffix("-signed")
    repository, secret = silent(slipway, f"of-{sender}", lean_files(sender), forge)
    revision = repository.commit("Töne & Text")
    repository.push()
    delivery = SENDERS[sender](Told(repository=f"acme/of-{sender}", after=revision), secret)
    answer = post(slipway, forge, f"of-{sender}", delivery)
    assert answer.status == 202 and answer.json["code"] == "accepted", answer
    again = post(slipway, forge, f"of-{sender}", delivery)
    assert (again.status, again.json["code"], again.json["runs"]) == (200, "duplicate", answer.json["runs"])
    run = ended(slipway, answer.json["runs"][0])
    assert (run["state"], run["revision"], run["message"].strip()) == ("passed", revision, "Töne & Text")
    wrong = SENDERS[sender](Told(repository=f"acme/of-{sender}", after=revision), "whsec_" + "d3Jvbmch" * 4)
    assert post(slipway, forge, f"of-{sender}", wrong).status == 401


def test_F30_a_push_nobody_told_of_is_found_by_looking(slipway: System) -> None:
    repository, _ = silent(slipway, "unheard", lean_files())
    revisions = {}
    for branch in ("main", "one", "two", "three"):
        repository.git("checkout", "-q", "-B", branch)
        revisions[branch] = repository.commit(f"On {branch}")
    repository.git("push", "-q", "origin", *revisions)

    def found() -> bool:
        return len(slipway.api("/runs?project=unheard")["items"]) == len(revisions)

    until(found, 90, lambda: str(slipway.api("/runs?project=unheard")["items"]))
    runs = slipway.api("/runs?project=unheard")["items"]
    assert {run["branch"]: run["revision"] for run in runs} == revisions
    assert {run["trigger"] for run in runs} == {"sweep"}
    assert {ended(slipway, run["id"])["state"] for run in runs} == {"passed"}
    told = slipway.api("/deliveries?project=unheard")["items"]
    assert {one["source"] for one in told} == {"sweep"} and all("no webhook" in one["detail"] for one in told)
    assert 'slipway_recovered_events_total{project="unheard"} 4.0' in slipway.request("GET", "/metrics").text


def test_G16_a_commit_that_is_not_on_its_branch_is_never_built(slipway: System) -> None:
    repository, secret = silent(slipway, "forged", lean_files(), "github")
    real = repository.commit("Real")
    repository.push()
    imposter = repository.commit("Not pushed to main")
    repository.git("push", "-q", "origin", f"{imposter}:refs/heads/elsewhere")
    answer = post(slipway, "github", "forged", SENDERS["github"](Told(repository="a/forged", after=imposter), secret))
    assert answer.status == 202
    run = ended(slipway, answer.json["runs"][0])
    assert run["state"] == "superseded" and real[:7] in run["reason"] and run["images"] == []
    assert ended(slipway, run["superseded_by"])["revision"] == real


def test_F31_an_older_push_told_late_never_replaces_a_newer_one(slipway: System) -> None:
    repository, secret = silent(slipway, "late", service_files("old") | {"slipway.yml": FAR}, "github")
    old = repository.commit("Old")
    new = repository.commit("New", {"index.html": "new\n"})
    repository.push()

    def tell(after: str) -> dict[str, Any]:
        answer = post(slipway, "github", "late", SENDERS["github"](Told(repository="a/late", after=after), secret))
        assert answer.status == 202, answer
        return ended(slipway, answer.json["runs"][0])

    assert tell(new)["state"] == "passed"
    assert tell(old)["state"] == "superseded"
    assert slipway.ask("web.staging.late.slipway.localhost").text == "new\n"


def test_what_does_not_come_after_what_serves_is_held_with_a_reason(slipway: System) -> None:
    repository, secret = silent(slipway, "held", service_files("good") | {"slipway.yml": FAR}, "github")
    first = repository.commit("First")
    repository.commit("Second", {"index.html": "second\n"})
    repository.push()
    sender = SENDERS["github"]
    serving = repository.git("rev-parse", "HEAD")
    told = post(slipway, "github", "held", sender(Told(repository="a/held", after=serving), secret))
    assert ended(slipway, told.json["runs"][0])["state"] == "passed"
    repository.git("push", "-q", "-f", "origin", f"{first}:refs/heads/main")
    back = post(slipway, "github", "held", sender(Told(repository="a/held", before=serving, after=first), secret))
    run = ended(slipway, back.json["runs"][0])
    stage = next(one for one in run["stages"] if one["name"] == "staging")
    assert (stage["state"], stage["code"]) == ("skipped", "not_descendant"), run
    assert serving[:7] in stage["reason"]
    assert slipway.ask("web.staging.held.slipway.localhost").text == "second\n"


def test_many_pushes_at_once_end_in_the_newest(slipway: System) -> None:
    repository, secret = silent(slipway, "busy", lean_files(), "github")
    revisions = [repository.commit(f"Number {number}") for number in range(8)]
    repository.push()
    pairs = zip([revisions[0], *revisions], revisions, strict=False)
    answers = [
        post(slipway, "github", "busy", SENDERS["github"](Told(repository="a/busy", before=one, after=two), secret))
        for one, two in pairs
    ]
    assert [answer.status for answer in answers] == [202] * 8
    runs = [ended(slipway, answer.json["runs"][0]) for answer in answers]
    assert {run["state"] for run in runs} <= {"superseded", "passed"}
    assert (runs[-1]["state"], runs[-1]["revision"]) == ("passed", revisions[-1])
    assert sum(run["state"] == "superseded" for run in runs) >= 4
    assert all(run["superseded_by"] for run in runs if run["state"] == "superseded")


def test_only_services_whose_files_changed_are_built(slipway: System) -> None:
    files = {f"{name}/{path}": text for name in ("web", "api") for path, text in lean_files(name).items()}
    repository = slipway.repository("mono", files | {"slipway.yml": TWO})
    first = repository.commit("Both")
    repository.push()
    before = {image["service"]: image["digest"] for image in slipway.wait_run(first)["images"]}
    second = repository.commit("Only the api", {"api/index.html": "changed\n"})
    repository.push()
    run = slipway.wait_run(second)
    after = {image["service"]: image["digest"] for image in run["images"]}
    assert (after["web"] == before["web"], after["api"] == before["api"]) == (True, False)
    assert all(image["tag"].endswith(second) for image in run["images"])
    third = repository.commit("Only words", {"docs/readme.md": "hello\n"})
    repository.push()
    skipped = slipway.wait_run(third)
    assert (skipped["state"], skipped["code"]) == ("skipped", "ignored_path"), skipped


def test_a_refused_delivery_is_taken_in_once_the_secret_is_right(slipway: System) -> None:
    repository, secret = silent(slipway, "resend", lean_files(), "gitea")
    revision = repository.commit()
    repository.push()
    answer = post(slipway, "gitea", "resend", SENDERS["gitea"](Told(repository="a/resend", after=revision), "other"))
    assert answer.status == 401
    (kept,) = slipway.api("/deliveries?project=resend")["items"]
    assert (kept["verdict"], kept["code"]) == ("refused", "bad_signature")
    verify = f"/api/v1/deliveries/{kept['id']}/verify"
    json_type = {"Content_Type": "application/json"}
    assert slipway.request("POST", verify, b"{}", **json_type).json["holds"] is False
    assert slipway.request("POST", verify, b'{"secret": "other"}', **json_type).json["holds"] is True
    refused = slipway.request("POST", f"/api/v1/deliveries/{kept['id']}/redeliver", b"{}", **json_type)
    assert (refused.status, refused.json["code"]) == (400, "bad_signature")
    good = SENDERS["gitea"](Told(repository="a/resend", after=revision), secret)
    assert post(slipway, "gitea", "resend", good).status == 202
    taken = next(one for one in slipway.api("/deliveries?project=resend")["items"] if one["verdict"] == "accepted")
    redone = slipway.request("POST", f"/api/v1/deliveries/{taken['id']}/redeliver", b"{}", **json_type)
    assert (redone.status, redone.json["code"]) == (200, "duplicate"), redone
    assert secret not in slipway.request("GET", f"/settings/deliveries/{taken['id']}").text
