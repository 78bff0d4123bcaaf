"""One line of output, made safe to keep and show: only colours survive of all that can control a screen."""

import re

LONGEST_LINE = 16 * 1024
COLOUR = re.compile(r"\x1b\[[0-9;:]{0,64}m")
# Control characters, and those that turn the direction of the text around them, may hide what a line says.
HIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")


def one_line(text: str) -> str:
    """Return output as one line: of a progress line what was left standing, of control characters their names."""
    text = text.rstrip("\r\n")
    text = next((part for part in reversed(text.split("\r")) if part), "")
    cut = f" … {len(text) - LONGEST_LINE:,} characters cut" if len(text) > LONGEST_LINE else ""
    kept = text[:LONGEST_LINE].encode("utf-8", "replace").decode()
    return "".join(_safe_pieces(kept)) + cut


def without_colours(line: str) -> str:
    """Return a line of a transcript as plain text."""
    return COLOUR.sub("", line)


def _safe_pieces(text: str) -> list[str]:
    pieces, at = [], 0
    for colour in COLOUR.finditer(text):
        pieces += [HIDDEN.sub(_named, text[at : colour.start()]), colour[0]]
        at = colour.end()
    return [*pieces, HIDDEN.sub(_named, text[at:])]


def _named(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
