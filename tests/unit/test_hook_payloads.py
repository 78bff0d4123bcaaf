"""What every delivery under tests/payloads means: one literal table, a line a delivery."""

import json
from typing import Any

import pytest

from hooks.forges import DOORS
from pipeline.errors import Rejected
from pipeline.push import Event, Ignored, Ping, PullRequest, Push, Tag, is_sha, is_zero
from tests.payload_files import FORGES, body_of, everything, headers_of, names, others

# Of a push: its ref, and the beginnings of where it was and is. Of a pull request: head, base, whether from a fork.
MEANING: dict[str, dict[str, tuple[str, ...]]] = {
    "github": {
        "issues": ("ignored_event",),
        "ping": ("ping",),
        "pull_request_closed": ("pull 5 closed feature/basket 9f8e main",),
        "pull_request_edited_base": ("pull 5 updated feature/basket 9f8e main",),
        "pull_request_edited_title": ("ignored_event",),
        "pull_request_fork": ("pull 5 opened feature/basket 9f8e main fork",),
        "pull_request_fork_deleted": ("pull 5 updated feature/basket 9f8e main fork",),
        "pull_request_labeled": ("ignored_event",),
        "pull_request_opened": ("pull 5 opened feature/basket 9f8e main",),
        "pull_request_reopened": ("pull 5 updated feature/basket 9f8e main",),
        "pull_request_synchronize": ("pull 5 updated feature/basket 9f8e main",),
        "push_annotated_tag": ("tag tags/v1.1 0000 0c0f",),
        "push_bare": ("push heads/main 1a2b 9f8e",),
        "push_branch": ("push heads/main 1a2b 9f8e",),
        "push_deleted": ("push heads/feature/basket 9f8e 0000",),
        "push_empty": ("push heads/release 0000 1a2b",),
        "push_forced": ("push heads/main 9f8e 1a2b",),
        "push_light_tag": ("tag tags/v1.0 0000 9f8e",),
        "push_many": ("push heads/main 1a2b 9f8e",),
        "push_new_branch": ("push heads/feature/basket 0000 9f8e",),
        "push_sha256": ("push heads/main a1a1 b2b2",),
        "push_skip": ("push heads/main 1a2b 9f8e",),
        "push_unicode": ("push heads/feature/Überkorb/籠-№5 0000 9f8e",),
    },
    "gitlab": {
        "merge_request_approved": ("ignored_event",),
        "merge_request_close": ("pull 5 closed feature/basket 9f8e main",),
        "merge_request_fork": ("pull 5 opened feature/basket 9f8e main fork",),
        "merge_request_fork_deleted": ("pull 5 closed feature/basket  main fork",),
        "merge_request_merge": ("pull 5 closed feature/basket 9f8e main",),
        "merge_request_no_commit": ("ignored_event",),
        "merge_request_open": ("pull 5 opened feature/basket 9f8e main",),
        "merge_request_reopen": ("pull 5 updated feature/basket 9f8e main",),
        "merge_request_update_commits": ("pull 5 updated feature/basket 9f8e main",),
        "merge_request_update_target": ("pull 5 updated feature/basket 9f8e main",),
        "merge_request_update_title": ("ignored_event",),
        "push_bare": ("push heads/main 1a2b 9f8e",),
        "push_branch": ("push heads/main 1a2b 9f8e",),
        "push_deleted": ("push heads/feature/basket 1a2b 0000",),
        "push_deleted_skip_option": ("push heads/main 1a2b 0000",),
        "push_empty": ("push heads/release 0000 1a2b",),
        "push_forced": ("push heads/main 0c0f 9f8e",),
        "push_many": ("push heads/main 1a2b 9f8e",),
        "push_new_branch": ("push heads/feature/basket 0000 9f8e",),
        "push_skip": ("push heads/main 1a2b 9f8e",),
        "push_skip_option": ("skip_requested",),
        "push_unicode": ("push heads/feature/Überkorb/籠-№5 0000 9f8e",),
        "system_merge_request": ("pull 5 opened feature/basket 9f8e main",),
        "system_push": ("push heads/main 1a2b 9f8e",),
        "system_repository_update": (
            "push heads/main 1a2b 9f8e",
            "push heads/next 0000 9f8e",
            "push heads/old 1a2b 0000",
            "tag tags/v1.1 0000 0c0f",
        ),
        "system_repository_update_empty": ("ignored_event",),
        "system_tag": ("tag tags/v1.0 0000 9f8e",),
        "tag_annotated": ("tag tags/v1.1 0000 0c0f",),
        "tag_deleted": ("tag tags/v1.0 1a2b 0000",),
        "tag_light": ("tag tags/v1.0 0000 9f8e",),
    },
    "gitea": {
        "create_branch": ("ignored_event",),
        "create_tag": ("ignored_event",),
        "delete_branch": ("push heads/feature/basket 0000 0000",),
        "delete_tag": ("tag tags/v1.0 0000 0000",),
        "pull_request_agit": ("pull 5 opened refs/pull/5/head 9f8e main fork",),
        "pull_request_assigned": ("ignored_event",),
        "pull_request_closed": ("pull 5 closed feature/basket 9f8e main",),
        "pull_request_edited_base": ("pull 5 updated feature/basket 9f8e main",),
        "pull_request_edited_title": ("ignored_event",),
        "pull_request_fork": ("pull 5 opened feature/basket 9f8e main fork",),
        "pull_request_fork_deleted": ("pull 5 updated feature/basket 9f8e main fork",),
        "pull_request_opened": ("pull 5 opened feature/basket 9f8e main",),
        "pull_request_reopened": ("pull 5 updated feature/basket 9f8e main",),
        "pull_request_synchronized": ("pull 5 updated feature/basket 9f8e main",),
        "push_bare": ("push heads/main 1a2b 9f8e",),
        "push_branch": ("push heads/main 1a2b 9f8e",),
        "push_empty": ("push heads/release 0000 1a2b",),
        "push_forced": ("push heads/main 0c0f 9f8e",),
        "push_many": ("push heads/main 1a2b 9f8e",),
        "push_new_branch": ("push heads/feature/basket 0000 9f8e",),
        "push_skip": ("push heads/main 1a2b 9f8e",),
        "push_unicode": ("push heads/feature/Überkorb/籠-№5 0000 9f8e",),
        "push_zero": ("push heads/old 1a2b 0000",),
        "tag_annotated": ("tag tags/v1.1 0000 0c0f",),
        "tag_light": ("tag tags/v1.0 0000 9f8e",),
        "test": ("ping",),
        "test_empty": ("ping",),
    },
    "forgejo": {
        "create_branch": ("ignored_event",),
        "create_tag": ("ignored_event",),
        "delete_branch": ("push heads/feature/basket 0000 0000",),
        "delete_tag": ("tag tags/v1.0 0000 0000",),
        "pull_request_agit": ("pull 5 opened refs/pull/5/head 9f8e main fork",),
        "pull_request_assigned": ("ignored_event",),
        "pull_request_closed": ("pull 5 closed feature/basket 9f8e main",),
        "pull_request_edited_base": ("pull 5 updated feature/basket 9f8e main",),
        "pull_request_edited_title": ("ignored_event",),
        "pull_request_fork": ("pull 5 opened feature/basket 9f8e main fork",),
        "pull_request_fork_deleted": ("pull 5 updated feature/basket 9f8e main fork",),
        "pull_request_opened": ("pull 5 opened feature/basket 9f8e main",),
        "pull_request_reopened": ("pull 5 updated feature/basket 9f8e main",),
        "pull_request_synchronized": ("pull 5 updated feature/basket 9f8e main",),
        "push_bare": ("push heads/main 1a2b 9f8e",),
        "push_branch": ("push heads/main 1a2b 9f8e",),
        "push_empty": ("push heads/release 0000 1a2b",),
        "push_forced": ("push heads/main 0c0f 9f8e",),
        "push_many": ("push heads/main 1a2b 9f8e",),
        "push_new_branch": ("push heads/feature/basket 0000 9f8e",),
        "push_skip": ("push heads/main 1a2b 9f8e",),
        "push_unicode": ("push heads/feature/Überkorb/籠-№5 0000 9f8e",),
        "push_zero": ("push heads/old 1a2b 0000",),
        "tag_annotated": ("tag tags/v1.1 0000 0c0f",),
        "tag_light": ("tag tags/v1.0 0000 9f8e",),
        "test": ("ping",),
        "test_empty": ("ping",),
    },
    "gogs": {
        "create_branch": ("ignored_event",),
        "create_tag": ("ignored_event",),
        "delete_branch": ("push heads/feature/basket 0000 0000",),
        "delete_tag": ("tag tags/v1.0 0000 0000",),
        "pull_request_assigned": ("ignored_event",),
        "pull_request_closed": ("pull 5 closed feature/basket  main",),
        "pull_request_edited_base": ("ignored_event",),
        "pull_request_edited_title": ("ignored_event",),
        "pull_request_fork": ("pull 5 opened feature/basket  main fork",),
        "pull_request_fork_deleted": ("pull 5 updated feature/basket  main fork",),
        "pull_request_opened": ("ignored_event",),
        "pull_request_reopened": ("ignored_event",),
        "pull_request_synchronized": ("ignored_event",),
        "push_bare": ("push heads/main 1a2b 9f8e",),
        "push_branch": ("push heads/main 1a2b 9f8e",),
        "push_empty": ("push heads/release 0000 1a2b",),
        "push_forced": ("push heads/main 0c0f 9f8e",),
        "push_many": ("push heads/main 1a2b 9f8e",),
        "push_new_branch": ("push heads/feature/basket 0000 9f8e",),
        "push_skip": ("push heads/main 1a2b 9f8e",),
        "push_unicode": ("push heads/feature/Überkorb/籠-№5 0000 9f8e",),
        "push_zero": ("push heads/old 1a2b 0000",),
        "tag_annotated": ("tag tags/v1.1 0000 0c0f",),
        "tag_light": ("tag tags/v1.0 0000 9f8e",),
        "test": ("ping",),
    },
    "bitbucket": {
        "pull_request_created": ("ignored_event",),
        "pull_request_created_whole": ("pull 5 opened feature/basket 9f8e main",),
        "pull_request_fork": ("pull 5 opened feature/basket  main fork",),
        "pull_request_fork_deleted": ("pull 5 updated feature/basket  main fork",),
        "pull_request_fulfilled": ("pull 5 closed feature/basket  main",),
        "pull_request_rejected": ("pull 5 closed feature/basket  main",),
        "pull_request_updated": ("pull 5 updated feature/basket 9f8e main",),
        "push_bare": ("push heads/main 1a2b 9f8e",),
        "push_branch": ("push heads/main 1a2b 9f8e",),
        "push_deleted": ("push heads/feature/basket 1a2b 0000",),
        "push_empty": ("push heads/release 0000 1a2b",),
        "push_forced": ("push heads/main 0c0f 9f8e",),
        "push_many": ("push heads/main 1a2b 9f8e",),
        "push_mercurial": ("ignored_event",),
        "push_new_branch": ("push heads/feature/basket 0000 9f8e",),
        "push_nothing": ("ignored_event",),
        "push_null_sides": ("ignored_event",),
        "push_several": (
            "push heads/main 1a2b 9f8e",
            "push heads/next 0000 9f8e",
            "push heads/old 1a2b 0000",
            "tag tags/v1.0 0000 9f8e",
        ),
        "push_skip": ("push heads/main 1a2b 9f8e",),
        "push_unicode": ("push heads/feature/Überkorb/籠-№5 0000 9f8e",),
        "tag_annotated": ("tag tags/v1.1 0000 9f8e",),
        "tag_deleted": ("tag tags/v1.0 1a2b 0000",),
        "tag_light": ("tag tags/v1.0 0000 9f8e",),
    },
    "bitbucket-server": {
        "ping": ("ping",),
        "pr_declined": ("pull 5 closed feature/basket 9f8e main",),
        "pr_deleted": ("pull 5 closed feature/basket 9f8e main",),
        "pr_fork": ("pull 5 opened feature/basket 9f8e main fork",),
        "pr_from_ref_updated": ("pull 5 updated feature/basket 9f8e main",),
        "pr_merged": ("pull 5 closed feature/basket 9f8e main",),
        "pr_modified_target": ("pull 5 updated feature/basket 9f8e main",),
        "pr_modified_title": ("ignored_event",),
        "pr_opened": ("pull 5 opened feature/basket 9f8e main",),
        "push_bare": ("push heads/main 1a2b 9f8e",),
        "push_branch": ("push heads/main 1a2b 9f8e",),
        "push_deleted": ("push heads/feature/basket 1a2b 0000",),
        "push_forced": ("push heads/main 0c0f 9f8e",),
        "push_many": ("push heads/main 1a2b 9f8e",),
        "push_new_branch": ("push heads/feature/basket 0000 9f8e",),
        "push_nothing": ("ignored_event",),
        "push_old_version": ("push heads/main 1a2b 9f8e",),
        "push_personal": ("push heads/main 1a2b 9f8e",),
        "push_several": (
            "push heads/main 1a2b 9f8e",
            "push heads/next 0000 9f8e",
            "push heads/old 1a2b 0000",
            "tag tags/v1.0 0000 9f8e",
        ),
        "push_skip": ("push heads/main 1a2b 9f8e",),
        "push_unicode": ("push heads/feature/Überkorb/籠-№5 0000 9f8e",),
        "tag_annotated": ("tag tags/v1.1 0000 0c0f",),
        "tag_deleted": ("tag tags/v1.0 1a2b 0000",),
        "tag_light": ("tag tags/v1.0 0000 9f8e",),
    },
    "git": {
        "push_bare": ("push heads/main 0000 9f8e",),
        "push_branch": ("push heads/main 1a2b 9f8e",),
        "push_deleted": ("push heads/feature/basket 1a2b 0000",),
        "push_forced": ("push heads/main 0c0f 9f8e",),
        "push_many": tuple(f"push heads/b{number} 0000 9f8e" for number in range(200)),
        "push_new_branch": ("push heads/feature/basket 0000 9f8e",),
        "push_notes": ("push notes/commits 1a2b 9f8e",),
        "push_nothing": ("ignored_event",),
        "push_several": (
            "push heads/main 1a2b 9f8e",
            "push heads/next 0000 9f8e",
            "push heads/old 1a2b 0000",
            "tag tags/v1.0 0000 9f8e",
        ),
        "push_sha256": ("push heads/main a1a1 b2b2",),
        "push_skip": ("push heads/main 1a2b 9f8e",),
        "push_unicode": ("push heads/feature/Überkorb/籠-№5 0000 9f8e",),
        "tag_annotated": ("tag tags/v1.1 0000 0c0f",),
        "tag_deleted": ("tag tags/v1.0 1a2b 0000",),
        "tag_light": ("tag tags/v1.0 0000 9f8e",),
    },
    "generic": {
        "one_change": ("push heads/main 1a2b 9f8e",),
        "one_change_bare": ("tag tags/v1.0 0000 9f8e",),
        "push_bare": ("push heads/main 0000 9f8e",),
        "push_branch": ("push heads/main 1a2b 9f8e",),
        "push_deleted": ("push heads/feature/basket 1a2b 0000",),
        "push_forced": ("push heads/main 0c0f 9f8e",),
        "push_many": tuple(f"push heads/b{number} 0000 9f8e" for number in range(200)),
        "push_new_branch": ("push heads/feature/basket 0000 9f8e",),
        "push_notes": ("push notes/commits 1a2b 9f8e",),
        "push_nothing": ("ignored_event",),
        "push_several": (
            "push heads/main 1a2b 9f8e",
            "push heads/next 0000 9f8e",
            "push heads/old 1a2b 0000",
            "tag tags/v1.0 0000 9f8e",
        ),
        "push_sha256": ("push heads/main a1a1 b2b2",),
        "push_skip": ("push heads/main 1a2b 9f8e",),
        "push_unicode": ("push heads/feature/Überkorb/籠-№5 0000 9f8e",),
        "tag_annotated": ("tag tags/v1.1 0000 0c0f",),
        "tag_deleted": ("tag tags/v1.0 1a2b 0000",),
        "tag_light": ("tag tags/v1.0 0000 9f8e",),
    },
}

WORDS = "Let the basket survive a restart"
# Whose commit is described, in a push that has all its fields.
SAYS = {
    **dict.fromkeys(("github", "gitlab", "gitea", "forgejo", "gogs", "bitbucket"), ("ana", WORDS, "acme/shop")),
    "bitbucket-server": ("ana", WORDS, "ACME/shop"),
    "git": ("Ana Prado", WORDS, "shop"),
    "generic": ("Ana Prado", WORDS, "shop"),
}
# What every forge can send and every door must therefore have been shown.
CASES = {
    "github": {"push_light_tag", "push_annotated_tag", "push_deleted", "ping"},
    "gitlab": {"tag_light", "tag_annotated", "push_deleted", "system_repository_update"},
    **{forge: {"tag_light", "tag_annotated", "delete_branch", "test"} for forge in ("gitea", "forgejo", "gogs")},
    "bitbucket": {"tag_light", "tag_annotated", "push_deleted", "push_several"},
    "bitbucket-server": {"tag_light", "tag_annotated", "push_deleted", "push_several", "ping"},
    **{forge: {"tag_light", "tag_annotated", "push_deleted", "push_several"} for forge in ("git", "generic")},
}


def told(event: Event) -> str:
    match event:
        case Push():
            kind = "tag" if isinstance(event, Tag) else "push"
            return f"{kind} {event.ref.removeprefix('refs/')} {event.before[:4]} {event.after[:4]}"
        case PullRequest():
            what = f"pull {event.number} {event.action} {event.branch} {event.after[:4]} {event.base}"
            return f"{what} fork" if event.fork else what
        case Ping():
            return "ping"
        case Ignored():
            return event.code


def read(forge: str, name: str, **fields: Any) -> tuple[Event, ...]:
    return DOORS[forge].parse(headers_of(forge, name), body_of(forge, name, **fields))


def push_of(forge: str, name: str, **fields: Any) -> Push:
    (event,) = read(forge, name, **fields)
    assert isinstance(event, Push)
    return event


@pytest.mark.parametrize(("forge", "name"), everything())
def test_every_delivery_means_what_the_table_says(forge: str, name: str) -> None:
    events = read(forge, name)
    assert tuple(told(event) for event in events) == MEANING[forge][name]
    for event in events:
        if isinstance(event, Push | PullRequest):
            assert is_sha(event.after) or (isinstance(event, PullRequest) and event.after == "")
            assert event.repository == DOORS[forge].repository(headers_of(forge, name), body_of(forge, name))
        if isinstance(event, Ignored):
            assert event.sentence.startswith("nothing to do: ")


def test_the_table_and_the_files_are_of_the_same_deliveries() -> None:
    assert {forge: set(said) for forge, said in MEANING.items()} == {forge: set(names(forge)) for forge in FORGES}


@pytest.mark.parametrize("forge", FORGES)
def test_every_door_was_shown_every_case(forge: str) -> None:
    common = {"push_branch", "push_new_branch", "push_forced", "push_many", "push_unicode", "push_skip", "push_bare"}
    assert common | CASES[forge] <= set(names(forge))


@pytest.mark.parametrize("forge", FORGES)
def test_a_push_carries_its_head_commits_words_its_actor_and_its_repository(forge: str) -> None:
    event = push_of(forge, "push_branch")
    assert (event.author, event.message.strip(), event.repository) == SAYS[forge]


@pytest.mark.parametrize("forge", FORGES)
def test_a_list_of_commits_that_was_cut_short_says_nothing_for_the_head(forge: str) -> None:
    for event in read(forge, "push_many"):
        assert isinstance(event, Push)
        assert "[skip ci]" not in event.message


@pytest.mark.parametrize("forge", FORGES)
def test_a_mark_in_the_head_commit_is_heard(forge: str) -> None:
    message = push_of(forge, "push_skip").message
    assert "[skip ci]" in message or "[ci skip]" in message


@pytest.mark.parametrize("forge", FORGES)
def test_a_push_without_its_optional_fields_is_a_push(forge: str) -> None:
    event = push_of(forge, "push_bare")
    assert (event.ref, event.message, event.author) == ("refs/heads/main", "", "")


SPEAKING = [forge for forge in FORGES if others(forge)]


@pytest.mark.parametrize("forge", SPEAKING)
def test_every_other_event_is_ignored_in_words(forge: str) -> None:
    for headers, body in others(forge):
        (event,) = DOORS[forge].parse(headers, body)
        assert isinstance(event, Ignored), headers
        assert event.code == "ignored_event", headers


@pytest.mark.parametrize("forge", SPEAKING)
@pytest.mark.parametrize("body", [b"{}", b'{"repository": 5, "project": [], "sender": null}', b'{"x": {"y": [null]}}'])
def test_an_event_nobody_has_heard_of_is_ignored_whatever_its_body(forge: str, body: bytes) -> None:
    door = DOORS[forge]
    if forge == "bitbucket-server":
        body = body.replace(b"{", b'{"eventKey": "new:kind", ', 1).replace(b", }", b"}")
    (event,) = door.parse({door.event_header: "new:kind"}, body)
    assert isinstance(event, Ignored)
    assert (event.code, event.repository) == ("ignored_event", "")
    assert "new:kind" in event.sentence


@pytest.mark.parametrize("forge", ["gitea", "forgejo", "gogs"])
def test_a_deletion_says_that_nothing_is_there_now(forge: str) -> None:
    assert is_zero(push_of(forge, "delete_branch").after)
    assert isinstance(push_of(forge, "delete_tag"), Tag)


def test_a_merge_request_is_about_the_target_and_a_fork_about_ours() -> None:
    for forge, name in (
        ("gitlab", "merge_request_fork"),
        ("github", "pull_request_fork"),
        ("bitbucket", "pull_request_fork"),
    ):
        (event,) = read(forge, name)
        assert isinstance(event, PullRequest)
        assert (event.repository, event.fork, event.title) == ("acme/shop", True, "Count what is in the basket")


def test_gitlabs_actor_is_the_user_and_not_the_commits_author() -> None:
    assert push_of("gitlab", "push_branch").author == "ana"
    assert push_of("gitlab", "push_branch", user_username=None).author == "Ana Prado"


def test_githubs_actor_is_the_sender_where_there_is_no_pusher() -> None:
    assert push_of("github", "push_branch", pusher=None, sender={"login": "bo"}).author == "bo"


@pytest.mark.parametrize("side", ["fromRef", "toRef"])
def test_a_pull_request_is_between_branches(side: str) -> None:
    request = json.loads(body_of("bitbucket-server", "pr_opened"))["pullRequest"]
    with pytest.raises(Rejected):
        read("bitbucket-server", "pr_opened", pullRequest={**request, side: {**request[side], "id": "refs/tags/v1.0"}})
