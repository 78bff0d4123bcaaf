"""The forms in which programs print a secret: quoted, escaped, encoded, in lines. Pure."""

import html
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

# What is shorter hides too much else, and is no secret worth the name.
SHORTEST = 4
# A longer line is hidden piece by piece, so that no cut of the output comes between two ends of a piece.
PIECE = 4096
# At how many characters programs wrap base64.
WRAPS = (60, 64, 76)
STANDARD, URL_SAFE = "+/", "-_"
BREAK = re.compile(r"[\r\n]+")
PERCENT = re.compile(r"%[0-9A-F]{2}")
QUOTES = (("&#x27;", "&#39;"), ("&#x27;", "&apos;"), ("&quot;", "&#34;"))


def forms(secret: str) -> frozenset[str]:
    """Return every text to look for in place of a secret; of one that has several lines, each line as well."""
    lines = [line.strip() for line in BREAK.split(secret)]
    texts = {text for text in (secret, secret.strip(), *lines) if len(text) >= SHORTEST}
    found = {form for text in texts for form in (*_written(text), *_encoded(text))}
    return frozenset(form for one in found for form in _in_lines(one) if len(form) >= SHORTEST)


def _written(text: str) -> Iterator[str]:
    yield text
    yield text[::-1]
    yield from _in_addresses(text)
    yield from _in_strings(text)
    for escaped in (html.escape(text), html.escape(text, quote=False)):
        yield escaped
        yield from (escaped.replace(*pair) for pair in QUOTES)


def _in_addresses(text: str) -> Iterator[str]:
    data = text.encode("utf-8", "surrogatepass")
    for escaped in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield escaped
        yield PERCENT.sub(lambda found: found[0].lower(), escaped)


def _in_strings(text: str) -> Iterator[str]:
    """Yield a text inside the quotes of JSON, Python and shells."""
    for quoted in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield quoted
        yield quoted.replace("/", "\\/")
    yield repr(text)[1:-1]
    yield text.replace("\\", "\\\\")
    yield text.replace("'", "'\\''")
    yield text.replace("'", "'\"'\"'")


def _encoded(text: str) -> Iterator[str]:
    data = text.encode("utf-8", "surrogatepass")
    yield data.hex()
    yield data.hex().upper()
    whole = b64encode(data).decode().rstrip("=")
    wrapped = [whole[at : at + wrap] for wrap in WRAPS if len(whole) > wrap for at in range(0, len(whole), wrap)]
    for form in (*(_aligned(data, shift) for shift in range(3)), *wrapped):
        yield form
        yield form.translate(str.maketrans(STANDARD, URL_SAFE))


def _aligned(data: bytes, shift: int) -> str:
    """Return the base64 that these bytes make `shift` bytes after a beginning, without what their neighbours change."""
    first, last = -(-shift * 8 // 6), (shift + len(data)) * 8 // 6
    return b64encode(bytes(shift) + data).decode()[first:last]


def _in_lines(form: str) -> Iterable[str]:
    """Yield a form as it stands in lines: each line of it, a long one in pieces."""
    for line in BREAK.split(form):
        for clean in (line, line.strip()):
            # The last piece begins in the one before it: a short one would hide too much else.
            yield from (clean[at : at + PIECE] for at in range(0, len(clean) - PIECE, PIECE))
            yield clean[-PIECE:]
