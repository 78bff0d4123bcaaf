"""Patterns for the names of branches and tags and for paths.

`*` is any part without `/`, `**` is anything, `?` is one character; `**/` at the start of a part may be nothing, so
that `**/*.md` is every such file, one at the root too.
"""

import re
from collections.abc import Iterable

SIGNS = re.compile(r"(?:^|(?<=/))\*\*/|\*\*|\*|\?|.", re.DOTALL)


def matches_any(patterns: Iterable[str], name: str) -> bool:
    """Tell whether a name matches one of the patterns."""
    return any(matches(pattern, name) for pattern in patterns)


def matches(pattern: str, name: str) -> bool:
    """Tell whether the whole name matches; the work grows with both lengths, however many stars there are."""
    # The positions in `name` that the part of the pattern read so far can end at.
    ends = {0}
    for sign in SIGNS.findall(pattern):
        ends = _step(sign, name, ends)
        if not ends:
            return False
    return len(name) in ends


def _step(sign: str, name: str, ends: set[int]) -> set[int]:
    if sign == "**/":
        first = min(ends)
        return ends | {at for at in range(first + 1, len(name) + 1) if name[at - 1] == "/"}
    if sign in {"*", "**"}:
        return _stretch(name, ends, stop="/" if sign == "*" else "")
    return {at + 1 for at in ends if at < len(name) and _same(sign, name[at])}


def _same(sign: str, char: str) -> bool:
    return sign == char or (sign == "?" and char != "/")


def _stretch(name: str, ends: set[int], stop: str) -> set[int]:
    """Return every position that can be reached from one of `ends` without stepping over `stop`."""
    reached: set[int] = set()
    going = False
    for at in range(len(name) + 1):
        going = going or at in ends
        if going:
            reached.add(at)
        if at < len(name) and stop and name[at] == stop:
            going = False
    return reached
