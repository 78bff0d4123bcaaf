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


@pytest.mark.parametrize("age", [-301, 301])
def test_W9_a_signature_of_another_time_does_not_hold(age: int) -> None:
    body = body_of()
    assert not git.verify(sign(SECRET, "push_1", int(time.time()) + age + (age > 0), body), body, SECRET)


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


@pytest.mark.parametrize("stamp", ["", "x", "1e999", "nan", "-1", "9" * 400, "١٢٣"])
def test_W4_a_malformed_timestamp_does_not_hold(stamp: str) -> None:
    headers = sign(SECRET, "push_1", int(time.time()), b"{}") | {"webhook-timestamp": stamp}
    assert not git.verify(headers, b"{}", SECRET)


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
