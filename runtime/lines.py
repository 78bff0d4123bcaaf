"""From chunks of bytes, cut anywhere, to whole lines of text."""

import re
import struct
from collections.abc import Iterator

from pipeline.pieces import Piece, piece

LONGEST_LINE = 16 * 1024
BREAK = re.compile(rb"\r\n|\n|\r(?!\Z)")
HEADER = struct.Struct(">BxxxL")


class Lines:
    """Assembles one stream's lines: decoded with replacement, cut at 16 kB; a carriage return ends a line too."""

    def __init__(self) -> None:
        self._rest = b""
        self._cut: Piece | None = None

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the lines that are complete with this chunk."""
        *whole, self._rest = BREAK.split(self._rest + chunk)
        for line in whole:
            yield from self._pieces(line)
        while len(self._rest) > LONGEST_LINE:
            first = _first(self._rest)
            self._rest = self._rest[len(first) :]
            yield self._said(first, goes_on=True)

    def flush(self) -> Iterator[str]:
        """Yield what is left once nothing more will come."""
        rest, self._rest = self._rest.removesuffix(b"\r"), b""
        if rest:
            yield from self._pieces(rest)

    def _pieces(self, line: bytes) -> Iterator[str]:
        while len(line) > LONGEST_LINE:
            first = _first(line)
            line = line[len(first) :]
            yield self._said(first, goes_on=True)
        yield self._said(line, goes_on=False)

    def _said(self, data: bytes, *, goes_on: bool) -> str:
        text, after = data.decode("utf-8", "replace"), self._cut
        if after is None and not goes_on:
            return text
        made = piece(text, after, last=not goes_on)
        self._cut = made if goes_on else None
        return made


class Frames:
    """Takes apart the engine's stream of a container's output, in which stdout and stderr come in frames.

    https://docs.docker.com/engine/api/v1.41/#operation/ContainerAttach
    """

    def __init__(self) -> None:
        self._header = b""
        self._stream = 0
        self._left = 0

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield each piece of output with the stream it belongs to, as soon as it is there."""
        while chunk:
            if self._left:
                piece, chunk = chunk[: self._left], chunk[self._left :]
                self._left -= len(piece)
                yield self._stream, piece
                continue
            missing = HEADER.size - len(self._header)
            self._header, chunk = self._header + chunk[:missing], chunk[missing:]
            if len(self._header) == HEADER.size:
                self._stream, self._left = HEADER.unpack(self._header)
                self._header = b""


class Output:
    """A container's output as lines, each stream's own line kept whole while the two are interleaved."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._lines: dict[int, Lines] = {}

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the lines that are complete with this chunk."""
        for stream, data in self._frames.feed(chunk):
            yield from self._lines.setdefault(stream, Lines()).feed(data)

    def flush(self) -> Iterator[str]:
        """Yield what is left once nothing more will come."""
        for lines in self._lines.values():
            yield from lines.flush()


def _first(line: bytes) -> bytes:
    """Return the first 16 kB of a line, a little less where that would cut a character in two."""
    end = LONGEST_LINE
    while end > LONGEST_LINE - 4 and line[end] & 0xC0 == 0x80:
        end -= 1
    return line[: end if line[end] & 0xC0 != 0x80 else LONGEST_LINE]
