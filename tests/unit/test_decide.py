"""What an event means for a project."""

from typing import Any

import pytest

from pipeline.decide import (
    NOTHING,
    Deleted,
    Heard,
    Made,
    Start,
    asks_to_skip,
    comes_late,
    decide,
    moved,
    ref_name,
    settle,
    speaks_of,
)
from pipeline.project import Forge, Project
from pipeline.pull_requests import number_of
from pipeline.push import Action, Ignored, Ping, PullRequest, Push

A, B, C, ZERO = "a" * 40, "b" * 40, "c" * 40, "0" * 40


def project(
    url: str = "https://github.com/acme/shop.git", name: str = "shop", rules: Any = None, forge: Forge = Forge.GITHUB
) -> Project:
    return Project(id=1, name=name, url=url, forge=forge, secret="s", rules=rules)


def push(ref: str = "refs/heads/main", before: str = A, after: str = B, message: str = "") -> Push:
    return Push(ref=ref, before=before, after=after, message=message)


def code(meaning: Push | Deleted | Ignored) -> str:
    assert isinstance(meaning, Ignored)
    return meaning.code


def settled(asked: Push, heard: Heard, same: Made | None = None, **how: bool) -> Start | Made:
    return settle(asked, heard, same, **{"seen": False, "replayed": False, **how})


def made(number: int, revision: str, before: str = "", *, void: bool = False) -> Made:
    return Made(run_id=number, revision=revision, before=before, void=void)


def test_a_push_asks_for_its_run() -> None:
    assert decide(project(), push()) == push()
    assert decide(project(), push(ref="refs/tags/v1")) == push(ref="refs/tags/v1")


def test_what_needs_no_run_has_a_code_and_a_sentence() -> None:
    assert code(decide(project(), Ping())) == "ping"
    assert code(decide(project(), push(ref="refs/notes/commits"))) == "ignored_event"
    assert code(decide(project(), push(message="Fix a comma [skip ci]"))) == "skip_requested"
    said = Ignored(code="ignored_event", sentence="nothing to do")
    assert decide(project(), said) is said


def test_a_ref_that_is_gone_is_told_by_its_name() -> None:
    for zero in ("0" * 40, "0" * 64):
        assert decide(project(), push(after=zero)) == Deleted(ref="refs/heads/main", sentence="main was deleted")


RULES = {"push": {"branches": ["main", "release/**"]}, "tag": {"patterns": ["v*"]}}


@pytest.mark.parametrize(
    ("rules", "ref", "refused"),
    [
        (RULES, "refs/heads/main", ""),
        (RULES, "refs/heads/release/1/2", ""),
        (RULES, "refs/heads/Main", "runs start only for branches main or release/**, and this is Main"),
        (RULES, "refs/heads/v1", "runs start only for branches main or release/**, and this is v1"),
        (RULES, "refs/tags/v1", ""),
        (RULES, "refs/tags/main", "runs start only for tags v*, and this is main"),
        ({"tag": {"patterns": []}}, "refs/tags/v1", "runs start for no tags, and this is v1"),
        ({"push": {"branches": None}}, "refs/heads/any/thing", ""),
        ({}, "refs/heads/日本/語", ""),
        (None, "refs/tags/v1", ""),
    ],
)
def test_the_default_branchs_rules_say_which_branches_and_tags_run(rules: Any, ref: str, refused: str) -> None:
    meaning = decide(project(rules=rules), push(ref=ref))
    assert (meaning.sentence if isinstance(meaning, Ignored) else "") == (
        f"nothing to do: {refused}" if refused else ""
    )
    assert moved(push(ref=ref), meaning) == (ref if refused else None)


def test_the_default_branch_itself_is_always_looked_at_for_its_rules() -> None:
    shut_out = project(rules={"push": {"branches": ["release/*"]}})
    assert decide(shut_out, push(ref="refs/heads/main")) == push(ref="refs/heads/main")
    assert isinstance(decide(shut_out, push(ref="refs/tags/main")), Push)
    assert isinstance(decide(shut_out, push(ref="refs/heads/other")), Ignored)


def test_a_skipped_push_has_moved_its_ref_and_another_event_has_not() -> None:
    skipped = push(message="[skip ci]")
    assert moved(skipped, decide(project(), skipped)) == "refs/heads/main"
    for event in (Ping(), push(ref="refs/notes/commits"), asked(fork=True)):
        assert moved(event, decide(project(), event)) is None


def test_a_commit_that_had_no_run_starts_one_wherever_the_ref_was() -> None:
    for heard in (NOTHING, Heard(told=A), Heard(told=C, newest=made(3, C))):
        assert settled(push(), heard) == Start(push=push())


def test_a_commit_that_has_its_run_is_not_run_again_by_being_told_again() -> None:
    first, newest = made(1, A), made(2, B, before=A)
    assert settled(push(), Heard(told=B, newest=newest), newest) == newest
    assert settled(push(before=ZERO, after=A), Heard(told=B, newest=newest), first) == first
    assert settled(push(before=C, after=A), Heard(told=B, newest=newest), first) == first
    assert settled(push(before=B, after=B), Heard(told=B, newest=newest), newest) == newest


def test_a_ref_moved_back_runs_its_old_commit_again_unless_the_same_delivery_is_played_again() -> None:
    back, heard = push(before=B, after=A), Heard(told=B, newest=made(2, B, before=A))
    assert settled(back, heard, made(1, A)) == Start(push=back, again=True)
    assert settled(back, heard, made(1, A), replayed=True) == made(1, A)
    assert settled(back, Heard(told=A, newest=made(3, A)), made(1, A)) == made(3, A)


def test_a_ref_moved_back_over_a_commit_that_was_skipped_runs_again() -> None:
    back = push(before=C, after=A)
    assert settled(back, Heard(told=C, newest=made(2, B)), made(1, A)) == Start(push=back, again=True)
    to_what_serves = push(before=C, after=B)
    assert settled(to_what_serves, Heard(told=C, newest=made(2, B)), made(2, B)) == made(2, B)


def test_where_nothing_was_noted_of_a_ref_its_newest_run_says_where_it_was() -> None:
    back = push(before=B, after=A)
    assert settled(back, Heard(newest=made(2, B)), made(1, A)) == Start(push=back, again=True)


def test_a_ref_that_was_deleted_and_made_again_runs_what_was_called_off() -> None:
    anew = push(before=ZERO, after=A)
    assert settled(anew, Heard(newest=made(1, A, void=True)), made(1, A, void=True)) == Start(push=anew, again=True)
    assert settled(anew, Heard(newest=made(1, A)), made(1, A)) == made(1, A)


def test_what_a_look_has_seen_runs_unless_it_is_what_ran_last() -> None:
    there = push(before=C, after=A)
    assert settled(there, Heard(told=C, newest=made(2, B)), made(1, A), seen=True) == Start(push=there, again=True)
    assert settled(there, Heard(told=C, newest=made(3, A)), made(1, A), seen=True) == made(3, A)
    assert settled(there, NOTHING, None, seen=True) == Start(push=there)


def test_F31_a_push_told_of_after_the_one_that_followed_it_comes_late() -> None:
    followed = Heard(told=B, newest=made(1, B, before=A))
    assert comes_late(push(before=ZERO, after=A), followed)
    assert not comes_late(push(before=B, after=A), followed)
    assert not comes_late(push(before=ZERO, after=C), followed)
    assert not comes_late(push(before=ZERO, after=A), Heard(newest=made(1, B, before=A)))
    assert not comes_late(push(), NOTHING)


@pytest.mark.parametrize(
    ("message", "skips"),
    [
        ("Fix [skip ci]", True),
        ("Fix [CI Skip]", True),
        ("Fix [no ci]", True),
        ("Fix [skip actions]", True),
        ("Fix [actions skip]", True),
        ("Fix [ skip  ci ]", True),
        ("Fix\n\nSkip-Checks: true", True),
        ("Fix skip ci", False),
        ("Explain [skip ci ] and [skipci]", True),
        ("Do not skip-checks: true", False),
        ("", False),
    ],
)
def test_the_marks_that_ask_for_no_run(message: str, skips: bool) -> None:
    assert asks_to_skip(message) is skips


@pytest.mark.parametrize(
    ("url", "said", "same"),
    [
        ("https://github.com/acme/shop.git", "acme/shop", True),
        ("https://github.com/acme/shop", "Acme/Shop", True),
        ("git@github.com:acme/shop.git", "acme/shop", True),
        ("ssh://git@github.com:22/acme/shop.git", "acme/shop", True),
        ("https://github.com/acme/shop.git", "https://github.com/acme/shop.git", True),
        ("https://github.com/acme/shop.git", "shop", True),
        ("https://github.com/acme/shop.git", "evil/shop", False),
        ("https://github.com/acme/shop.git", "acme/other", False),
        ("https://github.com/acme/shop.git", "http://[", False),
        ("https://github.com/acme/shop.git", "", False),
        ("https://github.com/acme/shop.git", "///", False),
        ("/srv/git/shop.git", "acme/shop", True),
        ("/srv/git/origin.git", "acme/shop", True),
        ("/srv/git/origin.git", "acme/origin", True),
        ("/srv/git/shop.git", "acme/other", False),
        ("file:///srv/git/shop.git", "acme/shop", True),
    ],
)
def test_W8_whether_a_delivery_is_about_this_repository(url: str, said: str, same: bool) -> None:
    assert speaks_of(project(url), said) is same


def test_a_ref_is_named_as_people_say_it() -> None:
    assert [ref_name(push(ref=ref)) for ref in ("refs/heads/a/b", "refs/tags/v1", "refs/x")] == ["a/b", "v1", "refs/x"]


def asked(**fields: Any) -> PullRequest:
    known: dict[str, Any] = {"number": 12, "action": Action.OPENED, "branch": "next", "after": B, "base": "main"}
    return PullRequest(**{**known, "fork": False, **fields})


@pytest.mark.parametrize("action", [Action.OPENED, Action.UPDATED])
def test_a_pull_request_of_our_own_branch_is_that_branchs_push(action: Action) -> None:
    decision = decide(project(), asked(action=action))
    assert isinstance(decision, Push)
    assert (decision.ref, decision.after) == ("refs/heads/next", B)


@pytest.mark.parametrize(
    ("fields", "code"), [({"action": Action.CLOSED}, "pull_request_closed"), ({"fork": True}, "ignored_fork")]
)
def test_a_closed_pull_request_and_one_from_a_fork_start_nothing(fields: dict[str, Any], code: str) -> None:
    decision = decide(project(), asked(**fields))
    assert isinstance(decision, Ignored)
    assert (decision.code, "pull request 12" in decision.sentence) == (code, True)


RULED = {"pull_request": {"branches": ["main", "release/*"]}, "push": {"branches": ["main"]}}


def test_a_pull_request_from_a_fork_is_run_where_the_default_branch_asks_for_it() -> None:
    decision = decide(project(rules=RULED), asked(fork=True, title="Steal it", author="mallory"))
    assert isinstance(decision, Push)
    assert (decision.ref, decision.after, decision.pull_request) == ("refs/pull/12/head", B, 12)
    assert (decision.branch, decision.tag, ref_name(decision)) == (None, None, "pull request 12")


@pytest.mark.parametrize(
    ("forge", "fields", "says"),
    [
        (Forge.GITHUB, {"base": "old"}, "nobody here has vouched"),
        (Forge.BITBUCKET, {}, "keeps in no ref"),
        (Forge.GITHUB, {"after": ""}, "did not say of which commit"),
    ],
)
def test_a_fork_that_no_rule_asks_for_or_no_ref_shows_starts_nothing(
    forge: Forge, fields: dict[str, Any], says: str
) -> None:
    decision = decide(project(rules=RULED, forge=forge), asked(fork=True, **fields))
    assert isinstance(decision, Ignored)
    assert decision.code == "ignored_fork" and says in decision.sentence


def test_a_fork_whose_pull_request_is_closed_has_its_run_called_off() -> None:
    decision = decide(project(rules=RULED), asked(fork=True, action=Action.CLOSED))
    assert decision == Deleted(ref="refs/pull/12/head", sentence="pull request 12 was closed")


def test_a_branch_whose_pushes_start_no_run_starts_one_by_its_pull_request() -> None:
    decision = decide(project(rules=RULED), asked())
    assert isinstance(decision, Push)
    assert (decision.ref, decision.pull_request) == ("refs/heads/next", 12)
    other = decide(project(rules=RULED), asked(base="old"))
    assert isinstance(other, Ignored) and other.code == "ignored_branch"


def test_nobody_can_push_to_a_pull_requests_ref() -> None:
    decision = decide(project(rules=RULED), push(ref="refs/pull/12/head"))
    assert isinstance(decision, Ignored) and decision.code == "ignored_event"


@pytest.mark.parametrize(
    ("ref", "number"),
    [
        ("refs/pull/7/head", 7),
        ("refs/merge-requests/12/head", 12),
        ("refs/pull/0/head", None),
        ("refs/pull/7/merge", None),
        ("refs/heads/pull/7/head", None),
        ("refs/pull/7/head/x", None),
    ],
)
def test_the_refs_of_pull_requests_are_told_from_all_others(ref: str, number: int | None) -> None:
    assert number_of(ref) == number
