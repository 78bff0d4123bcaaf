"""Lines of a transcript as a page shows them: painted, numbered, in sections that fold. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from markupsafe import Markup

from dashboard.ansi import paint, plain
from pipeline.folds import COLOUR, mark_of

# Words by which people look for what went wrong.
PROBLEM = re.compile(
    r"\b(?:error|errors|fail|failed|failure|failures|fatal|exception|traceback|panic)\b", re.IGNORECASE
)
NO_PROBLEM = re.compile(r"\b(?:0|no|without) (?:error|fail)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line. `title`: a section begins with it, or, if that is empty, one ends; None for every other line."""

    html: Markup
    title: str | None = None
    bad: bool = False

    def as_json(self) -> list[object]:
        """Return the line as the page's own script reads it."""
        return [str(self.html), self.title, self.bad]


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Lines under one title, or under none, with their numbers; `whole`: no later line belongs to it."""

    title: str
    lines: tuple[tuple[int, Line], ...]
    open: bool
    whole: bool

    @property
    def first(self) -> int:
        """The number of its first line."""
        return self.lines[0][0]


def painted(lines: Iterable[str]) -> Iterator[Line]:
    """Yield lines with their colours, and what they say of sections and of problems."""
    every = list(lines)
    for text, html in zip(every, paint(every), strict=True):
        mark = mark_of(text)
        bare = COLOUR.sub("", text)
        bad = PROBLEM.search(bare) is not None and NO_PROBLEM.search(bare) is None
        yield Line(html=html, title=plain(mark.title) if mark else None, bad=bad)


def sections(lines: Iterable[Line], first: int = 1) -> tuple[Section, ...]:
    """Return lines, the first of which has this number, in sections; open are those with problems, and the last."""
    parts: list[tuple[str, list[tuple[int, Line]], bool]] = []
    for number, line in enumerate(lines, start=first):
        if not parts or line.title or parts[-1][2]:
            parts.append((line.title or "", [], False))
        title, held, _ = parts[-1]
        held.append((number, line))
        if line.title == "":
            parts[-1] = (title, held, bool(title))
    last = len(parts) - 1
    return tuple(
        Section(
            title=title,
            lines=tuple(held),
            open=place == last or any(line.bad for _, line in held),
            whole=whole or place != last,
        )
        for place, (title, held, whole) in enumerate(parts)
    )


def lines_of(data: bytes) -> list[str]:
    """Return output that ends with a whole line as lines."""
    text = data.decode("utf-8", "replace")
    return text.removesuffix("\n").split("\n") if text else []
