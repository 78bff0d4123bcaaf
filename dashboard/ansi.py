"""Terminal output as HTML: colours become classes, links lead to http(s) only, everything else is text. Pure."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from markupsafe import Markup, escape
from rich.ansi import AnsiDecoder
from rich.color import ColorSystem
from rich.style import Style

LONGEST_LINE = 4_000
CUT = " … cut here; the raw text has all of it"
# An operating system command may end with BEL; rich only knows the other end, ESC \.
_BELL_ENDED = re.compile(r"(\x1b\][^\x07\x1b]*)\x07")
_UNFINISHED = re.compile(r"\x1b(?:\][^\x1b]*)?$")
# What a terminal would obey, and what makes text read otherwise than it runs.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def paint(lines: Iterable[str]) -> Iterator[Markup]:
    """Yield each line as safe HTML; a colour carries over to the next lines until it is turned off."""
    decoder = AnsiDecoder()
    for line in lines:
        yield _line(decoder, line)


def plain(line: str) -> str:
    """Return a line as it would look on a terminal without colours."""
    text = AnsiDecoder().decode_line(_prepared(line)).plain if "\x1b" in line else _prepared(line)
    return CONTROLS.sub("", text)


def _line(decoder: AnsiDecoder, line: str) -> Markup:
    shown = _prepared(line)
    rest = Markup('<span class="cut">{}</span>').format(CUT) if len(shown) > LONGEST_LINE else Markup()
    text = decoder.decode_line(shown[:LONGEST_LINE])
    done, parts = 0, []
    for span in sorted(text.spans):
        parts.append(_text(text.plain[done : span.start]))
        parts.append(_styled(text.plain[span.start : span.end], span.style))
        done = span.end
    return Markup().join([*parts, _text(text.plain[done:]), rest])


def _prepared(line: str) -> str:
    """Return what is left of a line once its carriage returns have been obeyed."""
    last = line.rstrip("\r").rsplit("\r", 1)[-1]
    return _UNFINISHED.sub("", _BELL_ENDED.sub("\\1\x1b\\\\", last)) if "\x1b" in last else last


def _styled(text: str, style: Style | str) -> Markup:
    if isinstance(style, str):
        return _text(text)
    shown, classes = _text(text), _classes(style)
    if classes:
        shown = Markup('<span class="{}">{}</span>').format(" ".join(classes), shown)
    if style.link and _safe(style.link):
        shown = Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>').format(style.link, shown)
    return shown


def _classes(style: Style) -> list[str]:
    found = [name for name in ("bold", "dim", "italic", "underline") if getattr(style, name)]
    for prefix, color in (("fg", style.color), ("bg", style.bgcolor)):
        # Only sixteen classes: a style attribute would need a looser content security policy.
        number = color.downgrade(ColorSystem.STANDARD).number if color and not color.is_default else None
        if number is not None:
            found.append(f"{prefix}{number}")
    return found


def _safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and CONTROLS.search(url) is None


def _text(text: str) -> Markup:
    return escape(CONTROLS.sub("", text))
