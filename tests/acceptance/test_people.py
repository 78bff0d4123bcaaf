"""People deploy, roll back and look, from Slack's slash commands and from a shell."""

import time

from tests.system import NEW, Repository, System, until


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
