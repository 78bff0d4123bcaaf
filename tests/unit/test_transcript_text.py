import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.transcript_text import COLOUR, HIDDEN, LONGEST_LINE, one_line, without_colours


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain\ttext ✓", "plain\ttext ✓"),
        ("ends\r\n", "ends"),
        (" 10 %\r 50 %\r100 %\r", "100 %"),
        ("two\nlines", "two\\x0alines"),
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[2Jcleared", "\\x1b[2Jcleared"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b]8;;javascript:alert(1)\x1b\\x\x1b]8;;\x1b\\", "\\x1b]8;;javascript:alert(1)\\x1b\\x\\x1b]8;;\\x1b\\"),
        ("\x9b31m", "\\x9b31m"),
        ("nul\0", "nul\\x00"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b\x85c", "a\\u2028b\\x85c"),
        ("lone \ud800 half", "lone ? half"),
        ("", ""),
    ],
)
def test_l2_l3_a_line_stays_one_line_and_only_colours_survive(text: str, kept: str) -> None:
    assert one_line(text) == kept


def test_a_line_without_end_is_cut_and_says_so() -> None:
    cut = one_line("x" * (LONGEST_LINE + 1234))
    assert cut == "x" * LONGEST_LINE + " … 1,234 characters cut"


def test_colours_can_be_taken_off() -> None:
    assert without_colours("\x1b[1;31mred\x1b[0m") == "red"


@given(st.text())
def test_any_text_becomes_one_line_that_can_be_stored(text: str) -> None:
    line = one_line(text)
    assert line.encode().decode().splitlines() in ([], [line])
    assert not HIDDEN.search(COLOUR.sub("", line))
