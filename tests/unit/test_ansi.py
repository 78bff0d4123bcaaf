"""Log lines become HTML in which only colours and web links survive."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.ansi import LONGEST_LINE, paint, plain

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<svg/onload=alert(1)>",
    "</pre></div><script src=//evil.example/x.js></script>",
    "<a href=javascript:alert(1)>x</a>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "{{ 7 * 7 }}{% raw %}",
    "' onmouseover='alert(1)",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<!--<script>-->",
)
ONLY_OURS = re.compile(r'</span>|</a>|<span class="[a-z0-9 ]+">|<a href="[^"<>]*" rel="noopener noreferrer nofollow">')


def one(line: str) -> str:
    return str(next(paint([line])))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_markup_in_a_line_is_text(payload: str) -> None:
    shown = one(f"\x1b[31m{payload}\x1b[0m {payload}")
    assert "<" not in ONLY_OURS.sub("", shown)
    assert "alert(1)" not in shown or "&" in shown


@given(st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("\x1b[]8;m<>&\"'\x07\\\r")))
def test_whatever_the_line_only_our_own_tags_come_out(line: str) -> None:
    shown = one(line)
    assert "<" not in ONLY_OURS.sub("", shown)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)


def test_colours_become_classes_and_never_styles() -> None:
    assert one("\x1b[31mred\x1b[0m \x1b[1;32mbold\x1b[0m") == (
        '<span class="fg1">red</span> <span class="bold fg2">bold</span>'
    )
    assert one("\x1b[48;5;196mloud") == '<span class="bg1">loud</span>'
    assert "style" not in one("\x1b[38;2;1;2;3mtrue")


def test_a_colour_carries_over_to_the_next_line() -> None:
    assert [str(line) for line in paint(["\x1b[32mgreen", "still", "\x1b[0mnot"])] == [
        '<span class="fg2">green</span>',
        '<span class="fg2">still</span>',
        "not",
    ]


@pytest.mark.parametrize("end", ["\x1b\\", "\x07"])
def test_links_lead_to_the_web_only(end: str) -> None:
    def link(url: str) -> str:
        return one(f"\x1b]8;;{url}{end}here\x1b]8;;{end}")

    assert link("https://a.example/?x=1&y=2") == (
        '<a href="https://a.example/?x=1&amp;y=2" rel="noopener noreferrer nofollow">here</a>'
    )
    for url in (
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//x",
        "http:",
        "",
    ):
        assert link(url) == "here", url


def test_titles_cursor_moves_and_clearing_leave_nothing() -> None:
    assert one("\x1b]0;stolen title\x07a\x1b[2Jb\x1b[10;10Hc\x1b[1Ad\x1b]2;t\x1b\\e") == "abcde"
    assert one("a\x1b]52;c;cm0gLXJm") == "a"
    assert one("a\x08\x08b\x00\x9b31mc") == "ab31mc"


def test_text_that_runs_backwards_is_shown_as_it_runs() -> None:
    assert one("a\u202eb\u2066c") == "abc"


def test_a_carriage_return_is_obeyed() -> None:
    assert one("10 %\r50 %\r100 %\r") == "100 %"


def test_a_huge_line_is_cut_and_says_so() -> None:
    shown = one("x" * (LONGEST_LINE + 1))
    assert shown.startswith("x" * LONGEST_LINE + '<span class="cut">') and "raw text" in shown


@given(st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("\x1b[]8;m\r\n\x85\u2028")))
def test_a_plain_line_holds_no_line_break_of_any_kind(line: str) -> None:
    assert not re.search(r"[\r\x0b\x0c\x1b\x85]", plain(line.replace("\n", "")))
