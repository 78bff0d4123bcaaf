"""Plain git's deliveries, as pure functions of headers and body."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.hook_post import sign
from hooks import git
from hooks.forges import DOORS
from hooks.signatures import MOST_SIGNATURES
from pipeline.errors import Rejected
from pipeline.push import Ignored, Push

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
A, B = "a" * 40, "b" * 40
CHANGE = {"ref": "refs/heads/main", "before": A, "after": B}


def body_of(**fields: Any) -> bytes:
    return json.dumps({"repository": "shop", "changes": [CHANGE], "pusher": "ana", **fields}).encode()


def test_what_the_hook_signs_holds_and_any_change_breaks_it() -> None:
    body = body_of()
    headers = sign(SECRET, "push_1", int(time.time()), body)
    assert git.verify(headers, body, SECRET)
    assert not git.verify(headers, body + b" ", SECRET)
    assert not git.verify({**headers, "webhook-id": "push_2"}, body, SECRET)
    assert not git.verify(headers, body, SECRET.replace("a", "b"))


@pytest.mark.parametrize(("age", "fresh"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_W9_a_signature_is_of_its_time_and_holds_whenever_it_is_checked(age: int, fresh: bool) -> None:
    door, body, received = DOORS["git"], body_of(), 1_763_719_200
    headers = sign(SECRET, "push_1", received + age, body)
    assert door.verify(headers, body, SECRET)
    assert door.sent_at(headers) == received + age
    assert door.is_fresh(headers, received) is fresh
    assert not door.verify(headers | {"webhook-timestamp": str(received + age + 1)}, body, SECRET)


def test_any_of_several_standard_signatures_may_hold() -> None:
    headers = sign(SECRET, "push_1", 1_763_719_200, b"{}")
    good = headers["webhook-signature"]
    other = sign(SECRET, "push_2", 1_763_719_200, b"{}")["webhook-signature"]
    for text, holds in ((f"{other} {good}", True), (f"v1a,x {good}", True), (f"{other} {other}", False)):
        assert git.verify(headers | {"webhook-signature": text}, b"{}", SECRET) is holds
    assert not git.verify(headers | {"webhook-signature": f"{other} " * MOST_SIGNATURES + good}, b"{}", SECRET)


MALFORMED: list[Callable[[str], str]] = [
    lambda good: "",
    lambda good: "v1",
    lambda good: "v1,",
    lambda good: "v1,,",
    lambda good: good.swapcase(),
    lambda good: good[3:],
    lambda good: "v2," + good[3:],
    lambda good: "v1a," + good[4:],
    lambda good: f"{good},{good}",
    lambda good: good[:-5],
    lambda good: "v1,é",
    lambda good: "v1,\udcff",
    lambda good: " ",
]


@pytest.mark.parametrize("spoil", MALFORMED)
def test_W4_a_malformed_standard_signature_does_not_hold(spoil: Callable[[str], str]) -> None:
    headers = sign(SECRET, "push_1", int(time.time()), b"{}")
    assert git.verify(headers, b"{}", SECRET)
    assert not git.verify(headers | {"webhook-signature": spoil(headers["webhook-signature"])}, b"{}", SECRET)


@pytest.mark.parametrize("stamp", ["", "x", "1e999", "nan", "-1", "1.5", " 1", "9" * 12, "9" * 400, "١٢٣"])
def test_W4_a_malformed_timestamp_does_not_hold(stamp: str) -> None:
    headers = sign(SECRET, "push_1", int(time.time()), b"{}") | {"webhook-timestamp": stamp}
    assert not git.verify(headers, b"{}", SECRET)


def test_W4_a_body_that_is_no_text_does_not_hold() -> None:
    headers = sign(SECRET, "push_1", int(time.time()), b"{}")
    assert not git.verify(headers, b"\xff", SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_é", "whsec_A"])
def test_W1_nothing_holds_without_a_usable_secret(secret: str) -> None:
    assert not git.verify(sign(SECRET, "push_1", int(time.time()), b"{}"), b"{}", secret)


def test_a_push_of_several_refs_is_several_events() -> None:
    tag = {"ref": "refs/tags/v1", "before": "0" * 40, "after": B, "message": "Ship it", "author": "Bo"}
    first, second = git.parse({}, body_of(changes=[CHANGE, tag]))
    assert isinstance(first, Push)
    assert isinstance(second, Push)
    assert (first.branch, first.author, first.repository) == ("main", "ana", "shop")
    assert (second.tag, second.author, second.message) == ("v1", "Bo", "Ship it")
    assert git.repository({}, body_of()) == "shop"


def test_a_push_of_nothing_is_ignored() -> None:
    (event,) = git.parse({}, body_of(changes=[]))
    assert isinstance(event, Ignored)
    assert event.code == "ignored_event"


@pytest.mark.parametrize(
    "changes",
    [None, {}, "x", [1], [None], [{}], [{**CHANGE, "ref": "main"}], [{**CHANGE, "after": "b" * 39}], [CHANGE] * 201],
)
def test_W11_changes_that_are_none_are_refused(changes: Any) -> None:
    with pytest.raises(Rejected):
        git.parse({}, body_of(changes=changes))


@given(st.binary())
def test_W11_arbitrary_bytes_are_refused_and_never_crash(body: bytes) -> None:
    for read in (git.parse, git.repository):
        with pytest.raises(Rejected):
            read({}, body)


@given(st.text(), st.text(), st.text(), st.binary(), st.text())
def test_nothing_makes_the_verifier_crash(one: str, stamp: str, signature: str, body: bytes, secret: str) -> None:
    headers = {"webhook-id": one, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}
    assert not git.verify(headers, body, secret)
    headers["webhook-timestamp"] = str(int(time.time()))
    assert not git.verify(headers, body, SECRET)
