import base64
import html
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pipeline.masking import MASK, UNSEEN, Mask, MaskedLines
from pipeline.masking_forms import forms
from tests.fuzz import mask_target
from tests.fuzz.mask_target import shown

SECRET = "pa\"ss/w&rd+1 é'=<x>"
KEY = "-----BEGIN KEY-----\n" + "\n".join(f"{word * 8}{word[::-1] * 8}" for word in ("Abcd", "eFgh", "ijKl")) + "\n"
values = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=4, max_size=40)


def masked(text: str, *secrets: str) -> str:
    mask = Mask()
    mask.hide(secrets or (SECRET,))
    return mask(text)


@pytest.mark.parametrize(
    "shape",
    [
        str,
        lambda text: text[::-1],
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: quote(text, safe=""),
        lambda text: quote(text, safe="").lower(),
        quote,
        quote_plus,
        html.escape,
        lambda text: html.escape(text).replace("&#x27;", "&#39;"),
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
        lambda text: repr(text)[1:-1],
        lambda text: shlex.quote(text)[1:-1],
        "\x1b[1m".join,
        "\x1b[01;31m\x1b[K".join,
        lambda text: f"{text[:5]}\x00\u200b{text[5:]}",
    ],
)
def test_L4_no_form_of_a_secret_is_shown(shape: object) -> None:
    said = shape(SECRET)  # type: ignore[operator]
    found = masked(f"before {said} after", SECRET, SECRET.lower())
    assert UNSEEN.sub("", found) == f"before {MASK} after"


@pytest.mark.parametrize("user", ["", "a", "ab", "bob:", "someone:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_L4_base64_is_masked_wherever_it_begins(user: str, encode: object) -> None:
    said = encode(f"{user}{SECRET}:rest".encode()).decode()  # type: ignore[operator]
    found = masked(f"Authorization: Basic {said}")
    assert MASK in found
    assert len(found.replace(MASK, "")) < len("Authorization: Basic ") + 4 * (len(user) + 5) / 3 + 8


@pytest.mark.parametrize("wrap", [60, 64, 76])
def test_a_key_in_wrapped_base64_is_masked_line_by_line(wrap: int) -> None:
    said = base64.b64encode(KEY.encode()).decode()
    for at in range(0, len(said.rstrip("=")), wrap):
        line = said[at : at + wrap]
        assert line.rstrip("=") not in masked(line, KEY) or len(line) < 4


def test_each_line_of_a_secret_is_masked() -> None:
    assert [masked(f"  {line}", KEY).strip() for line in KEY.splitlines()] == [MASK] * 4
    assert masked(json.dumps(KEY), KEY) == f'"{MASK}"'


def test_what_is_too_short_to_be_a_secret_stays() -> None:
    assert masked("a b abc", "", "a", "abc", "\n}\n") == "a b abc"


def test_colours_inside_a_secret_still_end_where_they_ended() -> None:
    assert masked("\x1b[31mtok\x1b[0men-1 rest", "token-1") == f"\x1b[31m{MASK}\x1b[0m rest"


def test_secrets_that_overlap_leave_nothing_of_each_other() -> None:
    assert masked("abcdefgh", "abcdef", "cdefgh") == MASK
    assert masked("abcdefgh", "abcd", "abcdefgh") == MASK


def test_a_mask_and_what_follows_it_make_no_secret() -> None:
    assert "ed]ab" not in masked("token-1ab", "token-1", "ed]ab")


def test_what_the_mask_itself_says_is_not_masked_again() -> None:
    assert masked("masked token-1", "masked", "token-1") == f"masked {MASK}"


def test_what_is_hidden_later_does_not_forget_what_was_hidden_before() -> None:
    mask = Mask()
    mask.hide(["first-one"])
    mask.hide(["second-one", "first-one"])
    assert mask("first-one second-one") == f"{MASK} {MASK}"


def test_a_secret_across_the_cut_of_a_long_line_is_masked() -> None:
    for before in range(16_370, 16_386):
        found = shown([f"{'x' * before}token-1 y\n".encode()], ["token-1"])
        assert "token-1" not in found.replace("\n", "")
        assert "[mask" in found


def test_a_long_line_is_shown_even_if_nothing_follows() -> None:
    lines = MaskedLines()
    assert list(lines.feed("x" * 16_384)) == []
    assert list(lines.flush()) == ["x" * 16_384]
    assert list(lines.flush()) == []


@given(st.lists(values, min_size=1, max_size=4), st.data())
@settings(max_examples=150, deadline=None)
def test_no_value_is_ever_found_however_the_output_is_cut(secrets: list[str], data: st.DataObject) -> None:
    assume(not any(secret in MASK for secret in secrets))
    parts = st.one_of(st.sampled_from(secrets), st.text(max_size=10), st.sampled_from(["\n", "\r", "\x1b[1m", MASK]))
    said = "".join(data.draw(st.lists(parts, max_size=20))).encode("utf-8", "replace")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=6)))
    chunks = [said[a:b] for a, b in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    found = shown(chunks, secrets)
    for secret in secrets:
        assert secret not in found, (secret, found)


@given(values, st.binary(max_size=3))
@settings(max_examples=150, deadline=None)
@example("!!!!", b"\xff")
def test_no_value_can_be_read_from_base64(secret: str, before: bytes) -> None:
    data = before + secret.encode() + b":after"
    said = base64.b64encode(data).decode()
    kept = masked(said, secret)
    assert kept != said
    assert base64.b64encode(secret.encode()).decode()[:4] not in kept or len(kept) > len(MASK)


def test_forms_are_never_too_short_to_look_for() -> None:
    assert all(len(form) >= 4 and "\n" not in form for form in forms(KEY) | forms("abcd") | forms("é1é2"))


def test_what_is_no_secret_is_left_as_it_is() -> None:
    said = "\x1b[32mok\x1b[0m 3 passed in 0.1s\x00"
    assert masked(said) == said
    assert Mask()(said) == said


def test_the_fuzz_target_notices_a_secret_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b"token-1\nbefore S after S\nS", b"to\nS", b"masked\nS", b"\xff\xff\xff\xff\nS\x1b[1mS", b""):
        mask_target.try_out(data)
    monkeypatch.setattr(Mask, "hide", lambda _self, _secrets: None)
    with pytest.raises(AssertionError):
        mask_target.try_out(b"token-1\nS")
