"""Reading strictly what senders write."""

from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooks import payload
from pipeline.errors import Rejected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b'"x"',
        b"[]",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": ' + b"9" * 41 + b"}",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_W13_text_with_two_meanings_or_none_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        payload.read_json(body)
    assert (caught.value.status, caught.value.code) == (400, "malformed")


def test_an_ordinary_object_is_read() -> None:
    assert payload.read_json(b'{"a": [1, 1.5, null, "x"]}') == {"a": [1, 1.5, None, "x"]}


def test_W12_nul_and_half_characters_are_cleaned_out_of_words_and_refused_in_names() -> None:
    message = payload.read_json(b'{"a": "one\\u0000two\\ud800three\\r\\nfour"}')
    assert payload.words(message, "a") == "one\ufffdtwo\ufffdthree\nfour"
    with pytest.raises(Rejected):
        payload.identifier(message, "a")


@pytest.mark.parametrize("body", [b"", b"other=1", b"payload=1&payload=2", b"payload=\xff", b"&".join([b"a=1"] * 200)])
def test_a_form_without_exactly_one_payload_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected):
        payload.form_field(body, "payload")


@pytest.mark.parametrize("value", [b"%", b"%3", b"%zz", b"%%", b"a%%20", b"a=b", b"a b", b"%3D\n", b"\xc3\xa9"])
def test_a_form_that_no_form_writer_writes_is_refused(value: bytes) -> None:
    with pytest.raises(Rejected):
        payload.form_field(b"payload=" + value, "payload")


@given(st.binary())
def test_whatever_is_written_as_a_form_is_read_back(value: bytes) -> None:
    for written in (quote_plus(value), quote(value, safe="")):
        assert payload.form_field(b"payload=" + written.encode(), "payload") == value


def test_a_glance_at_what_nobody_signed_fails_in_our_words() -> None:
    assert payload.glance_json(b'{"a": 1}') == {"a": 1}
    assert payload.glance_json(b"[1]") == {}
    for body in (b"", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(Rejected):
            payload.glance_json(body)


def test_a_forms_field_comes_out_as_the_bytes_that_went_in() -> None:
    assert payload.form_field(b"payload=%7B%ff%7D+", "payload") == b"{\xff} "


@pytest.mark.parametrize(
    "ref",
    [
        "main",
        "refs/heads/",
        "refs/heads/a..b",
        "refs/heads/a b",
        "refs/heads/a~1",
        "refs/heads/a^",
        "refs/heads/a:b",
        "refs/heads/a?",
        "refs/heads/a*",
        "refs/heads/[a",
        "refs/heads/a\\b",
        "refs/heads//a",
        "refs/heads/a.lock",
        "refs/heads/.a",
        "refs/heads/a@{1}",
        "refs/heads/a.",
        "refs/heads/a\n",
        "refs/heads/" + "a" * 600,
        "--upload-pack=touch x",
    ],
)
def test_refs_that_git_refuses_are_refused(ref: str) -> None:
    with pytest.raises(Rejected):
        payload.ref({"ref": ref})


def test_long_words_are_cut() -> None:
    assert len(payload.words({"a": "x" * 10_000}, "a")) == payload.LONGEST_TEXT


def test_a_branch_is_named_without_its_prefix_and_must_be_one_that_git_allows() -> None:
    assert payload.branch({"ref": "feature/basket"}, "ref") == "feature/basket"
    assert payload.ref_below("refs/tags/", {"ref": "v1.0"}, "ref") == "refs/tags/v1.0"
    for name in ("", "a..b", "-\n", "a b", ".a", "a/", "x" * 600, None, 1):
        with pytest.raises(Rejected):
            payload.branch({"ref": name}, "ref")


@pytest.mark.parametrize("value", [None, 0, -1, True, 1.0, "1", 2**63, []])
def test_a_number_that_does_not_count_is_refused(value: object) -> None:
    assert payload.number({"n": 2**63 - 1}, "n") == 2**63 - 1
    with pytest.raises(Rejected):
        payload.number({"n": value}, "n")


@pytest.mark.parametrize("value", [1, "x", {}, [1], [{}, None]])
def test_a_list_is_of_objects(value: object) -> None:
    assert payload.items({"l": [{}]}, "l") == [{}]
    assert payload.items({"l": None}, "l") == payload.items({}, "l") == []
    with pytest.raises(Rejected):
        payload.items({"l": value}, "l")


def test_a_glimpse_sees_a_text_or_nothing() -> None:
    message = {"a": {"b": "one\0two"}, "c": ["d"], "e": "x" * 10_000}
    assert payload.glimpse(message, "a", "b") == "one\ufffdtwo"
    assert (
        payload.glimpse(message, "a") == payload.glimpse(message, "c", "d") == payload.glimpse(message, "z", "y") == ""
    )
    assert len(payload.glimpse(message, "e")) == payload.LONGEST_NAME
