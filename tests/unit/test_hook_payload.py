"""Reading strictly what senders write."""

import pytest

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
