"""Signatures: one file compares them, in constant time, and nothing malformed ever holds at any door."""

import ast
import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from standardwebhooks import Webhook

from hooks import gitlab, signatures
from hooks.forges import DOORS, LONGEST_HEADER, Door
from tests.payload_files import FORGES, Headers, body_of, headers_of, signed

HOOKS = Path(signatures.__file__).parent
SECRET = "whsec_" + b64encode(b"k" * 32).decode()
OTHER_SECRET = "whsec_" + b64encode(b"o" * 32).decode()
BODY = b'{"a": 1}'
AT = 1_763_719_200
# What carries a forge's signature; GitLab has two ways.
CARRIERS = {
    "github": "x-hub-signature-256",
    "gitlab": "x-gitlab-token",
    "gitlab signed": "webhook-signature",
    "gitea": "x-gitea-signature",
    "forgejo": "x-forgejo-signature",
    "gogs": "x-gogs-signature",
    "bitbucket": "x-hub-signature",
    "bitbucket-server": "x-hub-signature",
    "git": "webhook-signature",
    "generic": "webhook-signature",
}
CHECKED_WHOLE = [name for name in CARRIERS if name != "gitlab"]


def door_of(name: str) -> Door:
    return DOORS[name.partition(" ")[0]]


def good(name: str, body: bytes = BODY, secret: str = SECRET) -> Headers:
    """Return the headers of a delivery that its forge signed."""
    sent = {"webhook-id": "push_1", "content-type": "application/json"}
    return signed("git" if name == "gitlab signed" else name, sent, body, secret, at=AT)


@pytest.mark.parametrize("name", CARRIERS)
def test_a_good_signature_holds_and_another_projects_does_not(name: str) -> None:
    assert door_of(name).verify(good(name), BODY, SECRET)
    assert not door_of(name).verify(good(name), BODY, OTHER_SECRET)


@pytest.mark.parametrize("name", CHECKED_WHOLE)
def test_a_signature_is_of_the_whole_body(name: str) -> None:
    for body in (BODY + b" ", BODY[:-1], b"", BODY.replace(b"1", b"2")):
        assert not door_of(name).verify(good(name), body, SECRET)


@pytest.mark.parametrize("name", CARRIERS)
def test_W1_a_missing_or_empty_signature_or_secret_does_not_hold(name: str) -> None:
    carrier = CARRIERS[name]
    without = {header: value for header, value in good(name).items() if header != carrier}
    for sent in (without, {}, good(name) | {carrier: ""}, good(name) | {carrier: "sha256="}):
        assert not door_of(name).verify(sent, BODY, SECRET)
    empty = hmac.new(b"", BODY, hashlib.sha256).hexdigest()
    for value in ("", empty, f"sha256={empty}"):
        assert not door_of(name).verify(good(name) | {carrier: value}, BODY, "")


def spoilt(value: str) -> list[str]:
    """Return what looks like a signature and is none."""
    digest = value.rpartition("=")[2] if value.startswith("sha256=") else value
    sha1 = hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()
    return [
        value.swapcase(),
        value.replace("=", "=="),
        value[:-1],
        value[1:],
        f"{value},{value}",
        f"{value}\n",
        f"sha256=sha256={digest}",
        f"sha512={digest}",
        f"sha1={sha1}",
        sha1,
        "0" * 64,
        f"é{value}",
        "\udcff\udcff",
        "\0",
        value * 1_000,
    ]


@pytest.mark.parametrize("name", CARRIERS)
def test_W4_a_malformed_signature_does_not_hold(name: str) -> None:
    carrier, given = CARRIERS[name], good(name)
    for value in spoilt(given[carrier]):
        if value != given[carrier]:
            assert not door_of(name).verify(given | {carrier: value}, BODY, SECRET), value


@pytest.mark.parametrize("name", CARRIERS)
def test_W5_sha1_alone_does_not_hold(name: str) -> None:
    sha1 = hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()
    for header in {"x-hub-signature", "x-hub-signature-256", CARRIERS[name]}:
        for value in (f"sha1={sha1}", sha1, f"sha256={sha1}"):
            assert not door_of(name).verify({header: value}, BODY, SECRET)


@pytest.mark.parametrize("name", CARRIERS)
def test_W6_a_signature_in_another_forges_header_does_not_hold(name: str) -> None:
    ours = {CARRIERS[one] for one in CARRIERS if door_of(one) is door_of(name)}
    for other, carrier in CARRIERS.items():
        if carrier not in ours:
            sent = {header: value for header, value in good(other).items() if header not in ours}
            assert not door_of(name).verify(sent, BODY, SECRET), other


@pytest.mark.parametrize("forge", ["gitea", "forgejo"])
def test_what_gitea_sends_without_a_secret_never_holds(forge: str) -> None:
    names = ("x-forgejo-signature", "x-gitea-signature", "x-gogs-signature", "x-hub-signature", "x-hub-signature-256")
    sent = dict.fromkeys(names, "") | {"x-hub-signature": "sha1=", "x-hub-signature-256": "sha256="}
    assert not DOORS[forge].verify(sent, BODY, SECRET)
    assert not DOORS[forge].verify(sent, BODY, "")
    assert not DOORS["github"].verify(sent, BODY, SECRET)


@pytest.mark.parametrize("forge", ["gitea", "forgejo", "gogs"])
def test_gitea_signs_the_json_text_also_when_the_body_is_a_form(forge: str) -> None:
    door, text = DOORS[forge], body_of(forge, "push_branch")
    form = b"payload=" + quote_plus(text).encode()
    sent = headers_of(forge, "push_branch") | {"content-type": "application/x-www-form-urlencoded"}
    assert door.verify(signed(forge, sent, text, SECRET), form, SECRET)
    assert not door.verify(signed(forge, sent, form, SECRET), form, SECRET)
    assert door.parse(sent, form) == door.parse(headers_of(forge, "push_branch"), text)
    assert door.repository(sent, form) == "acme/shop"
    for body in (b"", b"payload=", form + b"&payload=1", b"\xff"):
        assert not door.verify(signed(forge, sent, b"", SECRET), body, SECRET)


def test_github_signs_the_form_itself() -> None:
    text = body_of("github", "push_branch")
    form = b"payload=" + quote_plus(text).encode()
    sent = {"content-type": "application/x-www-form-urlencoded"}
    assert DOORS["github"].verify(signed("github", sent, form, SECRET), form, SECRET)
    assert not DOORS["github"].verify(signed("github", sent, text, SECRET), form, SECRET)


def test_where_gitlab_signs_the_token_in_clear_is_not_enough() -> None:
    both = good("gitlab signed") | {"x-gitlab-token": SECRET}
    assert gitlab.verify(both, BODY, SECRET)
    for value in ("", "v1,", "v1,AAAA", both["webhook-signature"].swapcase()):
        assert not gitlab.verify(both | {"webhook-signature": value}, BODY, SECRET)
    assert not gitlab.verify(both, BODY + b" ", SECRET)


def test_a_token_need_not_be_of_the_form_that_slipway_makes() -> None:
    assert gitlab.verify({"x-gitlab-token": "a plain word"}, BODY, "a plain word")
    assert not gitlab.verify({"x-gitlab-token": "a plain wörd"}, BODY, "a plain word")


@pytest.mark.parametrize("name", ["gitlab signed", "git", "generic"])
def test_what_the_reference_library_signs_holds(name: str) -> None:
    stamp = Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(AT, UTC), BODY.decode())
    sent = {"webhook-id": "msg_1", "webhook-timestamp": str(AT), "webhook-signature": stamp}
    assert door_of(name).verify(sent, BODY, SECRET)
    assert door_of(name).verify(sent | {"webhook-signature": f"v1,AAAA {stamp}"}, BODY, SECRET)
    assert not door_of(name).verify(sent | {"webhook-id": "msg_2"}, BODY, SECRET)


@pytest.mark.parametrize("name", CARRIERS)
def test_what_is_kept_can_be_checked_again_and_holds_no_secret(name: str) -> None:
    door = door_of(name)
    sent = good(name) | {"authorization": f"Basic {SECRET}", "cookie": SECRET, "x-forwarded-for": "192.0.2.1"}
    kept = door.remember(sent, BODY)
    assert SECRET not in str(kept)
    assert not {"authorization", "cookie", "x-gitlab-token", "x-forwarded-for"} & kept.keys()
    assert door.verify_again(kept, BODY, SECRET)
    assert not door.verify_again(kept, BODY, OTHER_SECRET)
    assert not door.verify_again(kept, BODY + b" ", SECRET)
    assert not door.verify_again({}, BODY, SECRET)


def test_what_stands_for_gitlabs_token_opens_nothing_live() -> None:
    door = DOORS["gitlab"]
    kept = door.remember(good("gitlab"), BODY)
    assert gitlab.SEAL in kept
    assert not door.verify(kept, BODY, SECRET)
    for name in door.headers:
        assert not door.verify({name: kept[gitlab.SEAL]}, BODY, SECRET)
    # Nobody can have a seal of their own kept.
    assert gitlab.SEAL not in door.remember({gitlab.SEAL: kept[gitlab.SEAL]}, BODY)
    assert gitlab.SEAL not in door.remember(good("gitlab signed") | {gitlab.SEAL: "x", "x-gitlab-token": SECRET}, BODY)


@pytest.mark.parametrize("forge", FORGES)
def test_what_is_kept_is_cleaned_and_cut(forge: str) -> None:
    kept = DOORS[forge].remember({"user-agent": "x\0y" + "z" * 5_000, **headers_of(forge, "push_branch")}, BODY)
    assert all(len(value) <= LONGEST_HEADER and "\0" not in value for value in kept.values())


@pytest.mark.parametrize("forge", FORGES)
def test_a_delivery_is_known_by_what_its_forge_keeps_when_it_sends_again(forge: str) -> None:
    door, sent = DOORS[forge], headers_of(forge, "push_branch")
    assert len(door.given_id(sent)) > 10
    assert door.given_id({}) == ""
    assert set(door.id_headers) <= set(door.headers)


def test_gitlabs_identity_is_the_signed_one_and_not_one_of_this_sending() -> None:
    door, sent = DOORS["gitlab"], headers_of("gitlab", "push_branch")
    assert door.given_id(sent) == sent["idempotency-key"]
    assert door.given_id(sent | {"webhook-id": "signed"}) == "signed"
    assert not {"x-gitlab-webhook-uuid", "x-gitlab-event-uuid"} & set(door.id_headers)


@pytest.mark.parametrize(("name", "timed"), [(name, CARRIERS[name] == "webhook-signature") for name in CARRIERS])
def test_W9_only_a_signed_time_can_be_too_old(name: str, timed: bool) -> None:
    door, sent = door_of(name), good(name)
    assert door.sent_at(sent) == (AT if timed else None)
    assert door.is_fresh(sent, AT + 300)
    assert door.is_fresh(sent, AT + 301) is not timed
    assert door.is_fresh(sent, AT - 301) is not timed
    assert door.verify(sent, BODY, SECRET)


def test_an_unsigned_time_says_nothing_at_gitlabs_door() -> None:
    assert DOORS["gitlab"].sent_at(good("gitlab") | {"webhook-timestamp": str(AT)}) is None


@pytest.mark.parametrize(("age", "holds"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_slacks_signature_holds_for_five_minutes(age: int, holds: bool) -> None:
    digest = hmac.new(SECRET.encode(), f"v0:{AT}:".encode() + BODY, hashlib.sha256).hexdigest()
    sent = {"x-slack-request-timestamp": str(AT), "x-slack-signature": f"v0={digest}"}
    at = datetime.fromtimestamp(AT + age, UTC)
    assert signatures.slack_signature_holds(sent, BODY, SECRET, at=at) is holds
    assert not signatures.slack_signature_holds(sent, BODY + b" ", SECRET, at=at)
    for stamp in ("", "x", "-1", "1e9", "9" * 400, "١٢٣", f" {AT}"):
        assert not signatures.slack_signature_holds(sent | {"x-slack-request-timestamp": stamp}, BODY, SECRET, at=at)


def test_W3_signatures_are_compared_in_one_file_and_in_constant_time() -> None:
    assert {path.name for path in HOOKS.glob("*.py") if "hmac" in path.read_text()} == {"signatures.py"}
    tree = ast.parse((HOOKS / "signatures.py").read_text())
    compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    # Only times, lengths and absences are compared by operators: what a sender signed never is.
    assert not [node for node in compared if isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn)]


def test_W3_what_is_compared_is_bytes() -> None:
    calls = [
        node
        for node in ast.walk(ast.parse((HOOKS / "signatures.py").read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("compare_digest")
    ]
    assert len(calls) >= 4
    assert all(ast.unparse(call.args[1]).startswith("_bytes(") for call in calls)
    # A text that is no ASCII would make the comparison of texts raise.
    checks: list[Callable[[str], bool]] = [
        lambda given: signatures.signature_holds(given, BODY, SECRET),
        lambda given: signatures.token_holds(given, SECRET),
        lambda given: signatures.seal_holds(given, BODY, SECRET),
    ]
    assert not any(check(given) for check in checks for given in ("é", "\udcff", "\0", ""))


@pytest.mark.parametrize("secret", ["whsec_YWJj", "YWJj!", f"{SECRET}!"])
def test_W1_a_secret_of_which_the_library_leaves_another_key_opens_no_standard_door(secret: str) -> None:
    assert not DOORS["git"].verify(good("git", secret=secret), BODY, secret)
    assert not DOORS["generic"].verify(good("generic", secret=secret), BODY, secret)
