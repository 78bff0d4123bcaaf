"""What a stage has written, and a stream of it for those who follow."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from dashboard.ansi import plain
from dashboard.log_lines import lines_of, painted

POLL_SECONDS = 0.08
BEAT_SECONDS = 15.0
LONGEST_SECONDS = 600.0
LOOK_SECONDS = 1.0
CLOSED_LOOK_SECONDS = 0.25
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
    """One stage's transcript. `over`: the stage has ended; `long_over`: so long ago that its file would say so by now.

    A file that says that no more will come may be wrong: the stage may be tried once more.
    """

    reader: Reader
    run: int
    stage: str
    over: Callable[[], bool]
    long_over: Callable[[], bool]

    def read(self, offset: int) -> bytes:
        """Return some of what was written from this byte on."""
        return self.reader.read(self.run, self.stage, offset)

    def chunks(self, offset: int = 0) -> Iterator[bytes]:
        """Yield everything that was written from this byte on."""
        return self.reader.chunks(self.run, self.stage, offset)

    def size(self) -> int:
        """Return how many bytes there are."""
        return self.reader.size(self.run, self.stage)

    def closed(self) -> bool:
        """Tell whether the writer has said that no more will come."""
        return self.reader.ended(self.run, self.stage)

    def ended(self) -> bool:
        """Tell whether nothing more will come; asked before a read, it makes that read the last one needed."""
        return self.over() and (self.closed() or self.long_over())


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
    spoken = time.monotonic()
    looks = _Looks(transcript)
    yield f"retry: {RETRY_MS}\n\n"
    while time.monotonic() < close and not gone():
        # Asked before reading: what was written before the end is then never left out.
        ended = looks.ended()
        if data := transcript.read(offset):
            offset += len(data)
            spoken = time.monotonic()
            yield _event(data, offset, html=html)
            continue
        if ended:
            yield f"id: {offset}\nevent: end\ndata: {{}}\n\n"
            return
        if time.monotonic() - spoken >= beat:
            spoken = time.monotonic()
            yield ": still here\n\n"
        time.sleep(POLL_SECONDS)


class _Looks:
    """Asks the database now and then, and a little more often once the file says that it is whole."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._next = 0.0
        self._ended = False

    def ended(self) -> bool:
        now = time.monotonic()
        if not self._ended and now >= self._next:
            closed = self._transcript.closed()
            self._ended = self._transcript.ended()
            self._next = now + (CLOSED_LOOK_SECONDS if closed else LOOK_SECONDS)
        return self._ended


def _event(data: bytes, offset: int, *, html: bool) -> str:
    """Return one event. No line can hold a line break of any kind, or it could speak for the server."""
    lines = lines_of(data)
    shown = [json.dumps([one.as_json() for one in painted(lines)])] if html else [plain(one) for one in lines]
    return f"id: {offset}\n" + "".join(f"data: {one}\n" for one in shown) + "\n"
