"""People deploy, roll back and look, from Slack's slash commands and from a shell."""

import json
import subprocess
import time

from tests.system import NEW, ROOT, Answer, Repository, System, service_files, until


def serves(slipway: System, project: str, word: str) -> None:
    name = f"web.staging.{project}.slipway.localhost"
    until(lambda: slipway.ask(name).text == f"{word}\n", 30, lambda: f"{name} says {slipway.ask(name).text!r}")


def shop(slipway: System, name: str) -> list[str]:
    """Push two words one after the other and return their revisions."""
    repository = slipway.repository(name)
    revisions = []
    for word in ("one", "two"):
        revisions.append(repository.commit(word, {"index.html": f"{word}\n"}))
        repository.push()
        assert slipway.wait_run(revisions[-1])["state"] == "passed"
    serves(slipway, name, "two")
    return revisions


def test_a_rollback_goes_back_and_pins_until_somebody_resumes(slipway: System) -> None:
    shop(slipway, "back")
    spoken = slipway.say("rollback back/web on staging because 5xx")
    assert "staging" in spoken["reply"]["text"] if isinstance(spoken["reply"], dict) else spoken["reply"]
    serves(slipway, "back", "one")
    repository_push(slipway, "back", "three")
    stages = {one["name"]: one for one in slipway.api("/runs?project=back&limit=1")["items"][0]["stages"]}
    assert stages["ci"]["state"] == "passed"
    assert stages["staging"]["state"] == "skipped" and "pinned" in stages["staging"]["reason"]
    serves(slipway, "back", "one")
    slipway.say("resume staging")
    repository_push(slipway, "back", "four")
    serves(slipway, "back", "four")


def repository_push(slipway: System, name: str, word: str) -> None:
    repository = Repository(system=slipway, name=name, clone=slipway.work / name, bare=slipway.work / f"{name}.git")
    revision = repository.commit(word, {"index.html": f"{word}\n"})
    repository.push()
    assert slipway.wait_run(revision)["state"] == "passed"


def test_slash_commands_deploy_and_roll_back_within_three_seconds(slipway: System) -> None:
    first, _second = shop(slipway, "slash")
    began = time.monotonic()
    answer = slipway.slash("/deploy", f"slash/web@{first} to staging")
    assert answer.status == 200 and answer.json["response_type"] == "ephemeral"
    assert time.monotonic() - began < 3
    serves(slipway, "slash", "one")
    deployment = slipway.api("/deployments?limit=1")["items"][0]
    assert deployment["cause"] == "chat" and deployment["environment"] == "staging"
    slipway.slash("/rollback", "slash/web on staging")
    until(lambda: slipway.api("/deployments?limit=1")["items"][0]["cause"] == "rollback", 30, lambda: "no rollback")


def test_a_slash_command_that_is_not_slacks_is_refused(slipway: System) -> None:
    assert slipway.slash("/deploy", "x", secret="somebody else's").status == 401
    assert slipway.slash("/deploy", "x", age=301).status == 401
    assert slipway.slash("/deploy", "x", age=-301).status == 401


def test_a_slash_command_sent_twice_is_done_once(slipway: System) -> None:
    before = slipway.value("select count(*) from command")
    for _ in range(2):
        assert slipway.slash("/slipway", "status", nonce="the same trigger").status == 200
    assert slipway.value("select count(*) from command") == before + 1


def test_status_says_what_runs_where(slipway: System) -> None:
    revisions = shop(slipway, "look")
    text = str(slipway.say("status staging"))
    assert revisions[1][:7] in text and "look" in text


def test_a_mistake_is_answered_with_the_likely_word(slipway: System) -> None:
    assert "did you mean" in str(slipway.say("status stagin")).lower()
    assert "slipway" in str(slipway.say("help")).lower()
    assert NEW not in str(slipway.say("deploy nothing@main to staging"))


def post(slipway: System, path: str, **body: object) -> Answer:
    return slipway.request("POST", f"/api/v1{path}", json.dumps(body).encode(), Content_Type="application/json")


def test_the_api_starts_cancels_and_retries_runs(slipway: System) -> None:
    slow = {"test.sh": "echo begun; sleep 30; echo fine\n"}
    repository = slipway.repository("acts", service_files("one") | slow)
    revision = repository.commit()
    with repository.start_push() as pushing:
        until(lambda: stage_state(slipway, revision, "unit") == "running", 30, lambda: "unit did not start")
        run = slipway.api(f"/runs?revision={revision}")["items"][0]["id"]
        assert post(slipway, f"/runs/{run}/cancel", reason="wrong branch").status == 202
        ended = slipway.wait_run(revision, 15)
        assert ended["state"] == "cancelled" and ended["stages"][-1]["state"] == "skipped"
        assert pushing.wait(20) == 0
    assert slipway.command("run", "watch", run, "--exit-status", check=False)
    again = post(slipway, f"/runs/{run}/retry")
    assert again.status == 202 and again.json["runs"] != [run]
    post(slipway, f"/runs/{again.json['runs'][0]}/cancel")
    started = post(slipway, "/projects/acts/runs", ref="main", reason="once more")
    assert started.status in {200, 202}, started.text
    post(slipway, f"/runs/{started.json['runs'][0]}/cancel")
    until(lambda: not running(slipway, "acts"), 60, lambda: f"still running: {running(slipway, 'acts')}")


def test_the_api_deploys_and_rolls_back_and_refuses_what_it_cannot_do(slipway: System) -> None:
    first, _second = shop(slipway, "api")
    answer = post(slipway, "/environments/api/staging/deploy", targets=[f"web@{first}"])
    assert answer.status == 202 and answer.json["deployments"], answer.text
    serves(slipway, "api", "one")
    assert post(slipway, "/environments/api/staging/rollback", reason="no good").status == 202
    serves(slipway, "api", "two")
    assert post(slipway, "/environments/api/nowhere/deploy").status == 404
    assert post(slipway, "/environments/nobody/staging/rollback").status in {400, 404}
    assert post(slipway, "/runs/r999999/cancel").status in {400, 404}
    form = slipway.request("POST", "/api/v1/chat", b"text=rollback", Content_Type="application/x-www-form-urlencoded")
    assert form.status == 415


def test_watching_a_run_tells_by_its_exit_code_how_it_ended(slipway: System) -> None:
    repository = slipway.repository("watch")
    good = repository.commit()
    repository.push()
    bad = repository.commit("break", {"test.sh": "exit 1\n"})
    repository.push()
    for revision, code in ((good, 0), (bad, 1)):
        run = slipway.wait_run(revision)["id"]
        words = [ROOT / "slipway", "run", "watch", run, "--exit-status"]
        assert subprocess.run(words, env=slipway.environment, capture_output=True, check=False).returncode == code


def stage_state(slipway: System, revision: str, name: str) -> str:
    runs = slipway.api(f"/runs?revision={revision}")["items"]
    return next((stage["state"] for run in runs for stage in run["stages"] if stage["name"] == name), "")


def running(slipway: System, project: str) -> list[str]:
    runs = slipway.api(f"/runs?project={project}")["items"]
    return [run["id"] for run in runs if run["state"] in {"queued", "running", "waiting"}]
