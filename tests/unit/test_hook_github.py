"""GitHub's deliveries, as pure functions of headers and body."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooks import github
from pipeline.errors import Rejected
from pipeline.push import Ignored, Ping, Push, is_zero

PAYLOADS = Path(__file__).parent.parent / "payloads" / "github"
SECRET = "whsec_c2VjcmV0"


def body_of(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes()


def headers(event: str = "push", **others: str) -> dict[str, str]:
    return {"x-github-event": event, "content-type": "application/json", **others}


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def changed(name: str, **fields: Any) -> bytes:
    return json.dumps({**json.loads(body_of(name)), **fields}).encode()


def test_githubs_own_test_vector_holds() -> None:
    given = {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}
    assert github.verify(given, b"Hello, World!", "It's a Secret to Everybody")
    assert not github.verify(given, b"Hello, World?", "It's a Secret to Everybody")


GOOD = signature(b"{}")
MALFORMED = [
    "",
    "sha256=",
    GOOD.upper(),
    GOOD.replace("sha256=", "SHA256="),
    GOOD.replace("=", "=="),
    GOOD.removeprefix("sha256="),
    f"{GOOD},{GOOD}",
    f"{GOOD} ",
    GOOD[:-1],
    "sha256=" + "z" * 64,
    "sha256=é" + "0" * 63,
    "sha1=" + hmac.new(SECRET.encode(), b"{}", hashlib.sha1).hexdigest(),
    "\udcff\udcff",
]


@pytest.mark.parametrize("given", MALFORMED)
def test_W4_a_malformed_signature_does_not_hold(given: str) -> None:
    assert not github.verify({"x-hub-signature-256": given}, b"{}", SECRET)


def test_W5_the_sha1_header_alone_does_not_hold() -> None:
    sha1 = "sha1=" + hmac.new(SECRET.encode(), b"{}", hashlib.sha1).hexdigest()
    assert not github.verify({"x-hub-signature": sha1}, b"{}", SECRET)


def test_W1_nothing_holds_without_a_secret() -> None:
    assert not github.verify({"x-hub-signature-256": signature(b"{}", "")}, b"{}", "")


@pytest.mark.parametrize(
    ("name", "ref"),
    [
        ("push_branch", "refs/heads/main"),
        ("push_new_branch", "refs/heads/feature/basket"),
        ("push_deleted", "refs/heads/feature/basket"),
        ("push_forced", "refs/heads/main"),
        ("push_light_tag", "refs/tags/v1.0"),
        ("push_annotated_tag", "refs/tags/v1.1"),
    ],
)
def test_every_kind_of_push_is_one_ref_that_moved(name: str, ref: str) -> None:
    (event,) = github.parse(headers(), body_of(name))
    assert isinstance(event, Push)
    assert event.ref == ref
    assert event.repository == "acme/shop"
    assert is_zero(event.after) == (name == "push_deleted")
    assert is_zero(event.before) == (name in {"push_new_branch", "push_light_tag", "push_annotated_tag"})


def test_a_push_carries_the_head_commits_words_and_the_pusher() -> None:
    (event,) = github.parse(headers(), body_of("push_branch"))
    assert isinstance(event, Push)
    assert (event.message, event.author) == ("Let the basket survive a restart", "ana")


def test_a_form_is_read_like_the_json_in_it() -> None:
    form = b"payload=" + quote_plus(body_of("push_branch")).encode()
    sent = headers(**{"content-type": "application/x-www-form-urlencoded; charset=utf-8"})
    assert github.parse(sent, form) == github.parse(headers(), body_of("push_branch"))
    assert github.repository(sent, form) == "acme/shop"


def test_a_ping_is_a_ping_and_another_event_is_ignored_with_its_name() -> None:
    assert github.parse(headers("ping"), body_of("ping")) == (Ping(repository="acme/shop"),)
    (event,) = github.parse(headers("issues"), body_of("issues"))
    assert isinstance(event, Ignored)
    assert (event.code, event.repository) == ("ignored_event", "acme/shop")
    assert "issues" in event.sentence


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("ping", "push_branch"),
        ("pull_request", "push_branch"),
        ("", "push_branch"),
        ("PUSH", "push_branch"),
        ("push", "ping"),
        ("push", "issues"),
        ("ping", "issues"),
        ("issues", "ping"),
    ],
)
def test_W7_an_event_header_that_the_body_contradicts_is_refused(event: str, name: str) -> None:
    with pytest.raises(Rejected) as caught:
        github.parse(headers(event), body_of(name))
    assert (caught.value.status, caught.value.code) == (400, "malformed")


@pytest.mark.parametrize("other", github.OTHER_FORGES)
def test_W6_another_forge_that_sends_githubs_headers_too_is_refused(other: str) -> None:
    with pytest.raises(Rejected) as caught:
        github.parse(headers(**{other: "push"}), body_of("push_branch"))
    assert caught.value.code == "wrong_forge"


JUNK: list[Any] = [None, 1, 1.5, True, "", "x", "refs/heads/a b", "refs/heads/\0", [], {}, [1], {"a": 1}]


@pytest.mark.parametrize("field", ["ref", "before", "after", "repository"])
@pytest.mark.parametrize("junk", JUNK)
def test_W11_junk_in_a_field_that_counts_is_refused(field: str, junk: Any) -> None:
    with pytest.raises(Rejected):
        github.parse(headers(), changed("push_branch", **{field: junk}))


@pytest.mark.parametrize("field", ["head_commit", "pusher"])
@pytest.mark.parametrize("junk", [1, True, "x", [], {"message": 1, "name": 1}])
def test_W11_junk_in_words_for_people_is_refused(field: str, junk: Any) -> None:
    with pytest.raises(Rejected):
        github.parse(headers(), changed("push_branch", **{field: junk}))


@pytest.mark.parametrize("ref", ["refs/heads/$(id)", "refs/heads/a`id`", "refs/heads/a;b", "refs/heads/<!channel>"])
def test_strange_branch_names_that_git_allows_are_taken_as_they_are(ref: str) -> None:
    (event,) = github.parse(headers(), changed("push_branch", ref=ref))
    assert isinstance(event, Push)
    assert event.ref == ref


@given(st.binary(), st.sampled_from(["application/json", github.FORM]))
def test_W11_arbitrary_bytes_are_refused_and_never_crash(body: bytes, kind: str) -> None:
    for read in (github.parse, github.repository):
        with pytest.raises(Rejected):
            read(headers(**{"content-type": kind}), body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(json.loads(body_of("push_branch")), json_values)))
def test_W11_any_value_in_any_field_gives_an_event_or_a_refusal(fields: dict[str, Any]) -> None:
    try:
        events = github.parse(headers(), changed("push_branch", **fields))
    except Rejected:
        return
    assert all(isinstance(event, Push) for event in events)


@given(st.dictionaries(st.text(), st.text()), st.binary(), st.text())
def test_no_headers_body_or_secret_make_the_verifier_crash(sent: dict[str, str], body: bytes, secret: str) -> None:
    assert not github.verify({**sent, "x-hub-signature-256": "sha256=nonsense"}, body, secret)
