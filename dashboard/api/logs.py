"""What a stage has written: as plain text, and as a stream of server-sent events."""

from collections.abc import Callable, Iterator

from flask import Blueprint, Response, request

from dashboard.logs import follow
from dashboard.reading import Reading
from pipeline.errors import Rejected


def make_logs(reading: Reading) -> Blueprint:
    """Return the blueprint of a stage's log and its stream."""
    logs = Blueprint("logs", __name__, url_prefix="/api/v1")

    @logs.get("/runs/<run>/stages/<stage>/log")
    def text(run: str, stage: str) -> Response:
        """Return what was written from the byte `from` on, as it was written."""
        transcript = reading.transcript(run, stage)
        start = _offset(request.args.get("from"))
        response = Response(transcript.chunks(start), mimetype="text/plain")
        response.headers["X-Slipway-Size"] = str(reading.transcripts.size(transcript.run, stage))
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


def _offset(text: str | None) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Rejected("the offset must be a number of bytes", code="bad_offset")
    return int(text)
