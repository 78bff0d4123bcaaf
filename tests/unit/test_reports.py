"""What git hosts are told: every state in every host's words, within its limits, of the right run."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipeline.deployment import DeploymentState, Release
from pipeline.errors import Rejected
from pipeline.forge_account import ANSWERED, account_of, check_api_url
from pipeline.health import HealthCheck
from pipeline.outcome import State
from pipeline.project import Forge
from pipeline.reports import (
    MOST_ON_THE_WAY,
    WORDS,
    RunFacts,
    StageFacts,
    Status,
    cut,
    next_status,
    own_ref,
    statuses,
)
from pipeline.reports_deployment import (
    DeploymentFacts,
    creation,
    deployment_status,
    revision_of,
    worth_telling,
)

PAGE = "https://slipway.example/runs/r1"
HOSTS = sorted(ANSWERED)
# The words each host documents for what is not over, and for what is.
TAKEN = {
    Forge.GITHUB: ({"pending"}, {"success", "failure", "error"}),
    Forge.GITLAB: ({"pending", "running"}, {"success", "failed", "canceled", "skipped"}),
    Forge.GITEA: ({"pending"}, {"success", "failure", "error", "warning"}),
    Forge.FORGEJO: ({"pending"}, {"success", "failure", "error", "warning"}),
    Forge.BITBUCKET: ({"INPROGRESS"}, {"SUCCESSFUL", "FAILED", "STOPPED"}),
    Forge.BITBUCKET_SERVER: ({"INPROGRESS"}, {"SUCCESSFUL", "FAILED", "CANCELLED", "UNKNOWN"}),
}


def run(
    number: int = 1,
    state: State = State.PASSED,
    stages: dict[str, State] | tuple[StageFacts, ...] = (),
    **values: object,
) -> RunFacts:
    told = stages if isinstance(stages, tuple) else tuple(StageFacts(name=k, state=v) for k, v in stages.items())
    known = {"id": number, "ref": "refs/heads/main", "state": state, "url": PAGE, "stages": told}
    return RunFacts(**{**known, **values})  # type: ignore[arg-type]


def words(runs: list[RunFacts], forge: Forge = Forge.GITHUB) -> dict[str, str]:
    return {one.context: one.state for one in statuses(runs, forge)}


def test_a_run_of_some_stages_says_nothing_for_the_commit() -> None:
    red = run(1, State.FAILED, {"lint": State.PASSED, "unit": State.FAILED})
    part = run(2, State.PASSED, {"lint": State.PASSED, "unit": State.SKIPPED, "extra": State.PASSED}, whole=False)
    assert words([red, part]) == {
        "slipway": "failure",
        "slipway/lint": "success",
        "slipway/unit": "failure",
        "slipway/extra": "success",
    }


@pytest.mark.parametrize("forge", HOSTS)
@pytest.mark.parametrize("state", State)
def test_every_state_has_a_word_that_the_host_takes(forge: Forge, state: State) -> None:
    on_the_way, over = TAKEN[forge]
    assert WORDS[forge][state] in (over if state.ended else on_the_way)


def test_a_run_is_one_aggregate_and_one_status_a_stage() -> None:
    told = words([run(state=State.FAILED, stages={"build": State.PASSED, "unit": State.FAILED})])
    assert told == {"slipway": "failure", "slipway/build": "success", "slipway/unit": "failure"}


def test_the_newest_run_of_a_revision_counts_whatever_order_they_come_in() -> None:
    old, new = run(1, State.FAILED), run(2, State.PASSED)
    assert words([old, new]) == words([new, old]) == {"slipway": "success"}


def test_a_stage_that_the_newest_run_does_not_have_stays_told_by_the_one_that_has_it() -> None:
    branch = run(1, State.RUNNING, {"build": State.PASSED, "staging": State.RUNNING})
    tag = run(2, State.PASSED, {"build": State.PASSED}, ref="refs/tags/v1")
    assert words([branch, tag])["slipway/staging"] == "pending"
    ended = run(1, State.PASSED, {"build": State.PASSED, "staging": State.PASSED})
    assert words([ended, tag])["slipway/staging"] == "success"


def test_statuses_are_filed_under_the_ref_of_the_first_run() -> None:
    assert own_ref([run(9, ref="refs/tags/v1"), run(3), run(5, ref="refs/heads/x")]) == "refs/heads/main"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (run(7, State.QUEUED), "r7 is queued"),
        (run(7, State.RUNNING, {"source": State.PASSED, "unit": State.RUNNING}), "r7 is running: unit"),
        (run(7, State.RUNNING, {"build": State.PASSED, "unit": State.QUEUED}), "r7 is running: unit"),
        (run(7, State.RUNNING), "r7 is running"),
        (run(7, State.WAITING, reason="needs a person"), "r7 waits: needs a person"),
        (run(7, State.PASSED, seconds=62.0), "r7 passed in 1 m 2 s"),
        (run(7, State.PASSED), "r7 passed"),
        (run(7, State.CANCELLED, reason="main was deleted"), "r7 was cancelled: main was deleted"),
        (run(7, State.SUPERSEDED, reason="9f8e7d6 is r8"), "r7 is superseded: 9f8e7d6 is r8"),
        (run(7, State.SKIPPED, reason="only docs/** changed"), "r7 is skipped: only docs/** changed"),
    ],
)
def test_a_run_is_told_in_a_sentence(facts: RunFacts, said: str) -> None:
    assert statuses([facts], Forge.GITHUB)[0].description == said


def test_a_failure_names_its_stage_and_why() -> None:
    unit = StageFacts(name="unit", state=State.FAILED, sentence="2 of 118 tests failed")
    failed, error = run(7, State.FAILED), run(7, State.ERROR)
    told = statuses([run(7, State.FAILED, (unit,))], Forge.GITHUB)
    assert told[0].description == "r7 failed in unit: 2 of 118 tests failed"
    assert told[1].description == "failed: 2 of 118 tests failed"
    assert statuses([failed], Forge.GITHUB)[0].description == "r7 failed in the run"
    assert "not your code" in statuses([error], Forge.GITHUB)[0].description


def test_another_attempt_of_a_stage_is_told() -> None:
    stage = StageFacts(name="unit", state=State.RUNNING, attempt=2, sentence="the engine went away")
    told = statuses([run(1, State.RUNNING, (stage,))], Forge.GITHUB)
    assert told[1].description == "running, attempt 2"


@given(some.text(max_size=400))
def test_descriptions_are_one_line_within_the_hosts_limit(text: str) -> None:
    facts = run(1, State.CANCELLED, reason=text)
    for forge, limit in ((Forge.GITHUB, 140), (Forge.GITLAB, 255), (Forge.BITBUCKET, 255)):
        said = statuses([facts], forge)[0].description
        assert len(said) <= limit and said.isprintable()


def test_a_cut_description_says_so() -> None:
    assert cut("x" * 141, 140) == "x" * 139 + "…"
    assert cut("a\nb\x1b[31m", 140) == "a b [31m"


def status(state: str = "pending", context: str = "slipway", description: str = "", ended: bool = False) -> Status:
    return Status(context=context, state=state, description=description, url=PAGE, ended=ended)


def test_what_the_host_has_taken_is_never_sent_again() -> None:
    one = status()
    assert next_status([one], {}) is one
    assert next_status([one], {"slipway": {**one.as_told, "sent": 1}}) is None


def test_a_status_in_doubt_is_sent_whatever_was_told() -> None:
    one = status()
    assert next_status([one], {"slipway": one.as_told}, asking="slipway") is one


def test_what_is_in_doubt_comes_first_or_the_doubt_would_be_forgotten() -> None:
    news, open_one = status(), status(context="slipway/build")
    assert next_status([news, open_one], {"slipway/build": open_one.as_told}, asking="slipway/build") is open_one
    assert next_status([news], {}, asking="slipway/gone") is news


def test_another_state_sentence_or_page_is_news() -> None:
    told = {"slipway": status(description="r1 is queued").as_told}
    assert next_status([status(description="r1 is running")], told) is not None
    assert next_status([status("success", description="r1 is queued", ended=True)], told) is not None


def test_near_the_hosts_limit_of_statuses_only_the_end_is_told() -> None:
    told = {"slipway": {"state": "pending", "sent": MOST_ON_THE_WAY}}
    assert next_status([status(description="r1 is running")], told) is None
    assert next_status([status("success", ended=True)], told) is not None


# --- deployments


def deployment(state: DeploymentState, *, live: bool = False, reason: str = "") -> DeploymentFacts:
    return DeploymentFacts(
        id=12,
        environment="staging",
        revision="a" * 40,
        state=state,
        live=live,
        reason=reason,
        url="https://slipway.example/deployments/d12",
        address="http://web.staging.shop.slipway.localhost:8080",
    )


@pytest.mark.parametrize(
    ("state", "live", "word"),
    [
        (DeploymentState.QUEUED, False, "queued"),
        (DeploymentState.RUNNING, False, "in_progress"),
        (DeploymentState.DEPLOYED, True, "success"),
        (DeploymentState.DEPLOYED, False, "inactive"),
        (DeploymentState.FAILED, False, "failure"),
        (DeploymentState.ERROR, False, "error"),
        (DeploymentState.SUPERSEDED, False, "inactive"),
    ],
)
def test_a_deployment_is_told_in_githubs_words(state: DeploymentState, live: bool, word: str) -> None:
    assert deployment_status(deployment(state, live=live)).state == word


def test_every_state_of_a_deployment_has_a_word_that_github_takes() -> None:
    documented = {"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}
    assert {deployment_status(deployment(state)).state for state in DeploymentState} <= documented


def test_only_what_serves_has_an_address() -> None:
    assert deployment_status(deployment(DeploymentState.DEPLOYED, live=True)).environment_url
    assert not deployment_status(deployment(DeploymentState.DEPLOYED)).environment_url
    assert not deployment_status(deployment(DeploymentState.FAILED)).environment_url


def test_a_failed_deployment_says_why_within_140_characters() -> None:
    told = deployment_status(deployment(DeploymentState.FAILED, reason="web was not healthy within 30 s " * 9))
    assert told.description.startswith("d12 failed: web was not healthy") and len(told.description) == 140


def test_a_deployment_asks_github_to_merge_nothing_and_to_wait_for_nothing() -> None:
    body = creation(deployment(DeploymentState.QUEUED), "cafe-d12")
    assert (body["auto_merge"], body["required_contexts"], body["ref"]) == (False, [], "a" * 40)
    assert body["payload"] == {"slipway": "cafe-d12"} and body["production_environment"] is False


def test_one_that_was_overtaken_before_it_was_told_of_is_not_told_of() -> None:
    assert not worth_telling(deployment(DeploymentState.SUPERSEDED), {})
    assert worth_telling(deployment(DeploymentState.SUPERSEDED), {"id": 1})
    assert worth_telling(deployment(DeploymentState.QUEUED), {})


def release(service: str, revision: str, *, main: bool = False) -> Release:
    return Release(service=service, revision=revision, image="i", port=1, health=HealthCheck(), main=main)


def test_a_deployment_is_of_what_was_pushed_else_of_the_main_service_that_was_asked_for() -> None:
    releases = (release("api", "a"), release("web", "b", main=True), release("zip", "c"))
    assert revision_of(releases, None, "p") == "p"
    assert revision_of(releases, None, None) == "b"
    assert revision_of(releases, {"zip", "api"}, None) == "a"
    assert revision_of(releases, {"gone"}, None) == "b"
    assert revision_of((), None, None) == ""


# --- accounts


@pytest.mark.parametrize(
    ("forge", "url", "api", "repository"),
    [
        ("github", "https://github.com/acme/shop.git", "https://api.github.com", "acme/shop"),
        ("github", "git@github.com:acme/shop.git", "https://api.github.com", "acme/shop"),
        ("github", "https://acme.ghe.com/acme/shop", "https://api.acme.ghe.com", "acme/shop"),
        ("github", "https://git.corp:8443/acme/shop", "https://git.corp:8443/api/v3", "acme/shop"),
        ("github", "ssh://git@git.corp:22/acme/shop.git", "https://git.corp/api/v3", "acme/shop"),
        ("gitlab", "https://gitlab.com/a/b/c/shop.git", "https://gitlab.com/api/v4", "a/b/c/shop"),
        ("gitea", "https://git.corp/acme/shop.git", "https://git.corp/api/v1", "acme/shop"),
        ("gitea", "https://corp.example/git/acme/shop.git", "https://corp.example/git/api/v1", "acme/shop"),
        ("forgejo", "git@codeberg.org:acme/shop.git", "https://codeberg.org/api/v1", "acme/shop"),
        ("bitbucket", "https://bitbucket.org/acme/shop.git", "https://api.bitbucket.org/2.0", "acme/shop"),
        ("bitbucket-server", "https://bb.corp/scm/PRJ/shop.git", "https://bb.corp/rest/api/latest", "PRJ/shop"),
        (
            "bitbucket-server",
            "https://corp.example/bb/scm/~ana/x.git",
            "https://corp.example/bb/rest/api/latest",
            "~ana/x",
        ),
        ("bitbucket-server", "ssh://git@bb.corp:7999/PRJ/shop.git", "https://bb.corp/rest/api/latest", "PRJ/shop"),
    ],
)
def test_where_to_answer_follows_from_where_the_repository_is(forge: str, url: str, api: str, repository: str) -> None:
    known = account_of(Forge(forge), url)
    assert (known.api_url, known.repository) == (api, repository)


def test_a_gitlab_below_a_path_keeps_that_path_out_of_the_projects_name() -> None:
    api = "https://corp.example/gitlab/api/v4"
    assert account_of(Forge.GITLAB, "https://corp.example/gitlab/a/shop.git", api_url=api).repository == "a/shop"


def test_what_is_given_goes_before_what_is_derived() -> None:
    known = account_of(Forge.GITHUB, "/srv/shop.git", api_url="http://127.0.0.1:9000/", repository="acme/shop")
    assert (known.api_url, known.repository) == ("http://127.0.0.1:9000", "acme/shop")


@pytest.mark.parametrize("forge", [Forge.GOGS, Forge.GIT, Forge.GENERIC])
def test_a_host_without_statuses_has_no_account(forge: Forge) -> None:
    with pytest.raises(Rejected) as refused:
        account_of(forge, "https://git.corp/acme/shop.git")
    assert refused.value.code == "no_status_api"


@pytest.mark.parametrize(("url", "given"), [("/srv/shop.git", ""), ("https://github.com/shop", "")])
def test_what_cannot_be_derived_must_be_said(url: str, given: str) -> None:
    with pytest.raises(Rejected) as refused:
        account_of(Forge.GITHUB, url, repository=given)
    assert "--repository" in refused.value.fix


@pytest.mark.parametrize("name", ["shop", "../shop", "acme/..", "acme/shop?x", "acme/sh op", "a//b", "acme/shop#"])
def test_a_repositorys_name_cannot_lead_anywhere_else(name: str) -> None:
    with pytest.raises(Rejected):
        account_of(Forge.GITHUB, "https://github.com/acme/shop.git", repository=name)


@pytest.mark.parametrize(
    "url",
    [
        "http://git.corp/api/v1",
        "https://user:word@git.corp/api",
        "https://git.corp/api?x=1",
        "https://git.corp/api#x",
        "https://git.corp/a/../b",
        "ftp://git.corp",
        "git.corp",
        "https://",
        "https://git.corp:99999/",
        "https://git.corp/\r\nX: y",
        "https://" + "a" * 600,
    ],
)
def test_a_token_is_sent_over_https_to_a_plain_address_only(url: str) -> None:
    with pytest.raises(Rejected) as refused:
        check_api_url(url)
    assert refused.value.code == "bad_api_url"


def test_an_allowed_failure_and_the_stage_that_was_cancelled_are_named() -> None:
    lint = StageFacts(name="lint", state=State.FAILED, sentence="2 of 9", allow_failure=True, attempt=1)
    unit = StageFacts(name="unit", state=State.CANCELLED, attempt=1)
    told = statuses([run(1, State.CANCELLED, (lint, unit), reason="by @ana")], Forge.GITHUB)
    said = {one.context: one.description for one in told}
    assert said["slipway"] == "r1 was cancelled in unit: by @ana"
    assert said["slipway/lint"] == "failed (allowed): 2 of 9"
