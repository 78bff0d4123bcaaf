"""What a stage has written: as plain text, and as a stream of server-sent events."""

import re
from collections.abc import Callable, Iterator

from flask import Blueprint, Response, request

from dashboard.asking import one_of, whole
from dashboard.logs import Transcript, follow
from dashboard.reading import Reading
from pipeline.errors import BadRange, Rejected

ANSI = ("keep", "strip")
COLOURS = re.compile(rb"\x1b\[[0-9;:]*m")
MOST_LINES = 1_000_000
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


def make_logs(reading: Reading) -> Blueprint:
    """Return the blueprint of a stage's log and its stream."""
    logs = Blueprint("logs", __name__, url_prefix="/api/v1")

    @logs.get("/runs/<run>/stages/<stage>/log")
    def text(run: str, stage: str) -> Response:
        """Return what was written: all of it, or from a byte on, or the last lines; with or without colours."""
        transcript = reading.transcript(run, stage)
        ended, size = transcript.ended(), transcript.size()
        response = _text(transcript, size)
        response.headers["X-Slipway-Size"] = str(size)
        response.headers["X-Slipway-Ended"] = "true" if ended else "false"
        response.headers["Accept-Ranges"] = "bytes"
        return response

    @logs.get("/runs/<run>/stages/<stage>/log/stream")
    def stream(run: str, stage: str) -> Response:
        """Follow what is being written, from `Last-Event-ID` or `from` on."""
        transcript = reading.transcript(run, stage)
        start = _offset(request.headers.get("Last-Event-ID") or request.args.get("from"))
        html = request.args.get("as") == "html"

        def events(gone: Callable[[], bool]) -> Iterator[str]:
            return follow(transcript, start, html=html, gone=gone)

        return reading.streams.respond(events)

    return logs


def _text(transcript: Transcript, size: int) -> Response:
    start, lines = _offset(request.args.get("from")), whole("lines", 0)
    strip = one_of("ansi", ANSI) == "strip"
    asked = RANGE.fullmatch(request.headers.get("Range", ""))
    if asked and any(asked.groups()) and not (start or lines or strip):
        return _part(transcript, size, *asked.groups())
    if lines:
        return _some(transcript, start, min(lines, MOST_LINES), first="from" in request.args, strip=strip)
    chunks = transcript.chunks(start)
    return Response(map(_stripped, chunks) if strip else chunks, mimetype="text/plain")


def _part(transcript: Transcript, size: int, first: str, last: str) -> Response:
    """Answer with the bytes from the first to the last one, or so many of the last ones. Raises BadRange."""
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last) + 1, size) if first and last else size
    held = bytearray()
    for chunk in transcript.chunks(start) if start < end else ():
        held += chunk
        if len(held) >= end - start:
            break
    data = bytes(held[: end - start])
    if not data:
        raise BadRange(f"there are {size} bytes by now", fix="Ask again later, or from an earlier byte.")
    response = Response(data, status=206, mimetype="text/plain")
    response.headers["Content-Range"] = f"bytes {start}-{start + len(data) - 1}/{size}"
    return response


def _some(transcript: Transcript, start: int, count: int, *, first: bool, strip: bool) -> Response:
    """Answer with the first or the last lines of what there is, and where to read on."""
    held: list[bytes] = []
    for chunk in transcript.chunks(start):
        held += chunk.splitlines(keepends=True)
        if not first:
            start += sum(map(len, held[:-count]))
            del held[:-count]
        elif len(held) >= count:
            break
    data = b"".join(held[:count])
    response = Response(_stripped(data) if strip else data, mimetype="text/plain")
    response.headers["X-Slipway-Next"] = str(start + len(data))
    return response


def _stripped(data: bytes) -> bytes:
    return COLOURS.sub(b"", data)


def _offset(text: str | None) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Rejected("the offset must be a number of bytes", code="bad_offset")
    return int(text)
