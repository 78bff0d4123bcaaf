"""A transcript as a page: two thousand lines of it at a time, however long it is."""

from collections.abc import Iterator
from dataclasses import dataclass

from dashboard.log_lines import Section, lines_of, painted, sections
from dashboard.logs import Transcript

LINES = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPage:
    """Up to 2,000 numbered lines in sections; `offset` is the byte from which a reader goes on."""

    sections: tuple[Section, ...]
    number: int
    pages: int
    total: int
    offset: int
    ended: bool

    @property
    def lines(self) -> int:
        """How many lines the page shows."""
        return sum(len(one.lines) for one in self.sections)


def log_page(transcript: Transcript, number: int | None, *, line: int | None = None) -> LogPage:
    """Return a page of a transcript: the one asked for, the one with this line, or the last one."""
    ended = transcript.ended()
    starts, total, size = _measure(transcript)
    pages = max(1, -(-total // LINES))
    wanted = number or (-(-line // LINES) if line else pages)
    shown = min(max(1, wanted), pages)
    first = (shown - 1) * LINES
    window = _window(transcript, starts, first, min(LINES, total - first))
    return LogPage(
        sections=sections(painted(window), first + 1),
        number=shown,
        pages=pages,
        total=total,
        offset=size,
        ended=ended,
    )


def _measure(transcript: Transcript) -> tuple[list[tuple[int, int]], int, int]:
    """Return where each chunk begins, as the number of lines before it and its byte, and how much there is of both."""
    starts: list[tuple[int, int]] = []
    lines = size = 0
    for chunk in transcript.chunks():
        starts.append((lines, size))
        lines += chunk.count(b"\n")
        size += len(chunk)
    return starts, lines, size


def _window(transcript: Transcript, starts: list[tuple[int, int]], first: int, count: int) -> list[str]:
    """Return `count` lines after the `first` ones, of which no more is decoded than must be."""
    before, offset = next((start for start in reversed(starts) if start[0] <= first), (0, 0))
    held = list(_take(transcript.chunks(offset), first - before + count)) if count > 0 else []
    return held[first - before : first - before + count]


def _take(chunks: Iterator[bytes], lines: int) -> Iterator[str]:
    for chunk in chunks:
        found = lines_of(chunk)
        yield from found
        lines -= len(found)
        if lines <= 0:
            return
