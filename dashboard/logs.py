"""What a stage has written: one page of it for people, a stream of it for those who follow."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from markupsafe import Markup

from dashboard.ansi import paint, plain

LINES = 2_000
POLL_SECONDS = 0.08
BEAT_SECONDS = 15.0
LONGEST_SECONDS = 600.0
LOOK_SECONDS = 2.0
RETRY_MS = 2_000


class Reader(Protocol):
    """Reads transcripts, in whole lines."""

    def read(self, run: int, stage: str, offset: int) -> bytes:
        """Return some of what there is from this byte on; empty if there is nothing yet."""

    def chunks(self, run: int, stage: str, offset: int = 0) -> Iterator[bytes]:
        """Yield everything there is from this byte on."""

    def size(self, run: int, stage: str) -> int:
        """Return how many bytes there are."""

    def ended(self, run: int, stage: str) -> bool:
        """Tell whether nothing more will come; asked before a read, it makes that read the last one needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transcript:
    """One stage's transcript; `over` tells that the stage is, whatever its file says."""

    reader: Reader
    run: int
    stage: str
    over: Callable[[], bool]

    def read(self, offset: int) -> bytes:
        """Return some of what was written from this byte on."""
        return self.reader.read(self.run, self.stage, offset)

    def chunks(self, offset: int = 0) -> Iterator[bytes]:
        """Yield everything that was written from this byte on."""
        return self.reader.chunks(self.run, self.stage, offset)

    def ended(self) -> bool:
        """Tell whether the transcript says of itself that no more will come."""
        return self.reader.ended(self.run, self.stage)


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPage:
    """Up to 2,000 numbered lines; `offset` is the byte from which a reader goes on."""

    lines: tuple[tuple[int, Markup], ...]
    number: int
    pages: int
    total: int
    offset: int
    ended: bool


def log_page(transcript: Transcript, number: int | None) -> LogPage:
    """Return a page of a transcript, the last one unless another is asked for."""
    ended = transcript.ended() or transcript.over()
    whole = b"".join(transcript.chunks())
    lines = _lines(whole)
    pages = max(1, -(-len(lines) // LINES))
    shown = min(max(1, number or pages), pages)
    first = (shown - 1) * LINES
    painted = enumerate(paint(lines[first : first + LINES]), start=first + 1)
    return LogPage(lines=tuple(painted), number=shown, pages=pages, total=len(lines), offset=len(whole), ended=ended)


def follow(
    transcript: Transcript,
    start: int,
    *,
    html: bool,
    gone: Callable[[], bool],
    seconds: float = LONGEST_SECONDS,
    beat: float = BEAT_SECONDS,
) -> Iterator[str]:
    """Yield server-sent events until the transcript ends, the reader is gone or time is up; ids are byte offsets."""
    offset, close = start, time.monotonic() + seconds
    spoken = looked = time.monotonic()
    over = transcript.over()
    yield f"retry: {RETRY_MS}\n\n"
    while time.monotonic() < close and not gone():
        # Asked before reading: what was written before the end is then never left out.
        ended = over or transcript.ended()
        if data := transcript.read(offset):
            offset += len(data)
            spoken = time.monotonic()
            yield _event(_lines(data), offset, html=html)
            continue
        if ended:
            yield f"id: {offset}\nevent: end\ndata: {{}}\n\n"
            return
        if time.monotonic() - spoken >= beat:
            spoken = time.monotonic()
            yield ": still here\n\n"
        if time.monotonic() - looked >= LOOK_SECONDS:
            looked, over = time.monotonic(), transcript.over()
        time.sleep(POLL_SECONDS)


def _event(lines: list[str], offset: int, *, html: bool) -> str:
    """Return one event. No line can hold a line break of any kind, or it could speak for the server."""
    shown = [json.dumps([str(one) for one in paint(lines)])] if html else [plain(one) for one in lines]
    return f"id: {offset}\n" + "".join(f"data: {one}\n" for one in shown) + "\n"


def _lines(data: bytes) -> list[str]:
    text = data.decode("utf-8", "replace")
    return text.removesuffix("\n").split("\n") if text else []
