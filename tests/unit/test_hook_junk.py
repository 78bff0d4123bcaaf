"""Whatever is posted at whichever door: events or a refusal, never a crash, and only what git allows."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hooks.forges import DOORS
from pipeline.errors import Rejected
from tests.hook_rules import read
from tests.payload_files import FORGES, Headers, body_of, everything, headers_of, others

Path = tuple[str | int, ...]
JUNK: tuple[Any, ...] = (None, True, 7, "x", [], {"id": {}})
# One delivery of each shape that is read; Forgejo's are read as Gitea's are, and those of generic as those of git.
SHAPES = [
    ("github", "push_branch"),
    ("github", "pull_request_edited_base"),
    ("github", "ping"),
    ("gitlab", "push_branch"),
    ("gitlab", "merge_request_open"),
    ("gitlab", "system_repository_update"),
    ("gitea", "push_branch"),
    ("gitea", "pull_request_edited_base"),
    ("gitea", "delete_branch"),
    ("gogs", "pull_request_fork"),
    ("bitbucket", "push_branch"),
    ("bitbucket", "pull_request_created_whole"),
    ("bitbucket-server", "push_branch"),
    ("bitbucket-server", "pr_modified_target"),
    ("git", "push_several"),
    ("generic", "one_change"),
]
CONTENT_TYPES = ["application/json", "application/x-www-form-urlencoded", "", "text/plain; charset=x"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
# Values of the right kind are nearer to the edge than any value.
near_values = st.sampled_from(
    ["refs/heads/main", "main", "0" * 40, "0" * 64, "a" * 40, "branch", "tag", "edited", 0, -1]
)


def paths(value: Any, before: Path = ()) -> Iterator[Path]:
    """Yield where everything inside a JSON value is."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*before, key)
        yield from paths(inner, (*before, key))


def replaced(value: Any, path: Path, new: Any) -> Any:
    """Return a JSON value with something else at a path."""
    if not path:
        return new
    changed: Any = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


@cache
def known(forge: str, name: str) -> tuple[Headers, Any, tuple[Path, ...]]:
    body = json.loads(body_of(forge, name))
    # Two hundred equal changes have nothing to add to the first few.
    return headers_of(forge, name), body, tuple(paths(body))[:200]


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(everything()), st.data())
def test_W11_any_value_in_any_field_gives_events_or_a_refusal(delivery: tuple[str, str], data: st.DataObject) -> None:
    headers, body, where = known(*delivery)
    path = data.draw(st.sampled_from(where))
    changed = replaced(body, path, data.draw(json_values | near_values))
    read(delivery[0], headers, json.dumps(changed).encode())


@pytest.mark.parametrize(("forge", "name"), SHAPES)
def test_W11_wrong_types_in_each_field_give_events_or_a_refusal(forge: str, name: str) -> None:
    headers, body, where = known(forge, name)
    for path in where:
        for junk in JUNK:
            read(forge, headers, json.dumps(replaced(body, path, junk)).encode())


@pytest.mark.parametrize("forge", FORGES)
@settings(max_examples=25, deadline=None)
@given(body=st.binary(), kind=st.sampled_from(CONTENT_TYPES))
def test_W11_arbitrary_bytes_are_refused_and_never_crash(forge: str, body: bytes, kind: str) -> None:
    assert read(forge, headers_of(forge, "push_branch") | {"content-type": kind}, body) == ()
    assert not DOORS[forge].verify({"content-type": kind}, body, "secret")


header_names = st.sampled_from(sorted({name for door in DOORS.values() for name in (*door.headers, *door.id_headers)}))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(everything()), st.dictionaries(header_names, st.text()), st.sampled_from(FORGES), st.text())
def test_W11_any_headers_give_events_or_a_refusal(
    delivery: tuple[str, str], sent: Headers, forge: str, secret: str
) -> None:
    headers, body = headers_of(*delivery), body_of(*delivery)
    read(forge, headers | sent, body)
    door = DOORS[forge]
    assert not door.verify(headers | sent, body, secret)
    kept = door.remember(headers | sent, body)
    assert not door.verify_again(kept, body, secret)
    assert door.sent_at(headers | sent) is None or isinstance(door.sent_at(headers | sent), int)


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.parametrize("body", [b"", b"null", b"1", b'"x"', b"[]", b"[{}]", b"\xff", b"{", b"[" * 100_000])
def test_W11_a_body_that_is_no_object_is_refused(forge: str, body: bytes) -> None:
    assert read(forge, headers_of(forge, "push_branch"), body) == ()


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.parametrize("depth", [500, 1_000, 100_000])
def test_W11_nesting_of_any_depth_in_any_field_is_read_or_refused(forge: str, depth: int) -> None:
    headers, body, _ = known(forge, "push_branch")
    deep = "[" * depth + "]" * depth
    # Reading stops at the same depth in whichever field: the deepest is tried in one.
    for field in list(body)[: 1 if depth > 1_000 else None]:
        text = json.dumps({**body, field: "deep"}).replace('"deep"', deep)
        assert read(forge, headers, text.encode()) == () or depth < 1_000


@pytest.mark.parametrize(("forge", "name"), SHAPES)
def test_W12_nul_and_half_characters_are_cleaned_or_refused(forge: str, name: str) -> None:
    headers, body, where = known(forge, name)
    for path in where:
        read(forge, headers, json.dumps(replaced(body, path, "one\0two\ud800three")).encode())


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.parametrize(
    "more",
    ['"z": 1, "z": 2', '"z": NaN', '"z": -Infinity', '"z": 1e999', f'"z": {"9" * 5_000}', '"z": {"y": 1, "y": 1}'],
)
def test_W13_text_with_two_meanings_is_refused_at_every_door(forge: str, more: str) -> None:
    headers, body = headers_of(forge, "push_branch"), body_of(forge, "push_branch")
    assert read(forge, headers, body)
    assert read(forge, headers, b"{" + more.encode() + b"," + body.partition(b"{")[2]) == ()


# A header that is not signed, and what it would make of a body that is.
PASSED_OFF = [
    ("github", "ping", "push_branch"),
    ("github", "pull_request", "push_branch"),
    ("github", "push", "pull_request_opened"),
    ("github", "issues", "pull_request_opened"),
    ("github", "issues", "ping"),
    ("gitlab", "Merge Request Hook", "push_branch"),
    ("gitlab", "Tag Push Hook", "push_branch"),
    ("gitlab", "Push Hook", "tag_light"),
    ("gitlab", "Push Hook", "merge_request_open"),
    ("gitlab", "Push Hook", "system_repository_update"),
    ("gitlab", "Note Hook", "push_branch"),
    ("gitlab", "Note Hook", "system_repository_update"),
    *[
        (forge, event, name)
        for forge in ("gitea", "forgejo", "gogs")
        for event, name in (
            ("pull_request", "push_branch"),
            ("delete", "push_branch"),
            ("push", "delete_branch"),
            ("create", "delete_branch"),
            ("delete", "create_branch"),
            ("issues", "delete_branch"),
            ("push", "pull_request_opened"),
            ("release", "pull_request_opened"),
        )
    ],
    ("bitbucket", "pullrequest:created", "push_branch"),
    ("bitbucket", "pullrequest:comment_created", "push_branch"),
    ("bitbucket", "repo:updated", "push_branch"),
    ("bitbucket", "repo:push", "pull_request_created"),
    ("bitbucket", "repo:updated", "pull_request_created"),
    ("bitbucket-server", "pr:opened", "push_branch"),
    ("bitbucket-server", "pr:merged", "pr_opened"),
    ("bitbucket-server", "diagnostics:ping", "push_branch"),
    ("bitbucket-server", "repo:refs_changed", "ping"),
    ("bitbucket-server", "repo:modified", "ping"),
]


@pytest.mark.parametrize(("forge", "said", "name"), PASSED_OFF)
def test_W7_an_event_header_that_the_body_contradicts_is_refused(forge: str, said: str, name: str) -> None:
    door = DOORS[forge]
    for headers in ({**headers_of(forge, name), door.event_header: said}, {door.event_header: ""}, {}):
        with pytest.raises(Rejected) as caught:
            door.parse(headers, body_of(forge, name))
        assert (caught.value.status, caught.value.code) == (400, "malformed")


def test_W7_a_comment_on_a_pull_request_is_not_the_pull_request() -> None:
    for headers, body in others("bitbucket"):
        if b'"comment"' in body and b'"pullrequest"' in body:
            with pytest.raises(Rejected):
                DOORS["bitbucket"].parse(headers | {"x-event-key": "pullrequest:created"}, body)


# Forgejo's deliveries are Gitea's as well, on purpose; plain git and the generic door read the same.
ALIKE = {("gitea", "forgejo"), ("git", "generic"), ("generic", "git")}
STRANGERS = [(door, other) for door in FORGES for other in FORGES if door != other and (door, other) not in ALIKE]


@pytest.mark.parametrize(("forge", "other"), STRANGERS)
def test_W6_another_forges_delivery_is_refused(forge: str, other: str) -> None:
    with pytest.raises(Rejected) as caught:
        DOORS[forge].parse(headers_of(other, "push_branch"), body_of(other, "push_branch"))
    # Some are not told by what they have but by what they lack: an event header of this door's own.
    unmarked = other in {"git", "generic"} or (
        forge in {"gitea", "forgejo", "gogs"} and other in {"github", "gogs", "gitea"}
    )
    assert caught.value.code == ("malformed" if unmarked and (forge, other) != ("gogs", "gitea") else "wrong_forge")


@pytest.mark.parametrize("other", ["x-gitea-event", "x-forgejo-event", "x-gogs-event", "x-gitlab-event", "x-event-key"])
def test_W6_githubs_door_refuses_whoever_only_resembles_github(other: str) -> None:
    with pytest.raises(Rejected) as caught:
        DOORS["github"].parse(headers_of("github", "push_branch") | {other: "push"}, body_of("github", "push_branch"))
    assert caught.value.code == "wrong_forge"
