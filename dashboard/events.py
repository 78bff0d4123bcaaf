"""Server-sent events: never more at once than the server has threads to spare."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response, request

from pipeline.errors import Busy

GONE_BYTES = 1


class Streams:
    """How many streams may be open at once; each takes a whole thread of the server."""

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(max(1, most))

    def respond(self, events: Callable[[Callable[[], bool]], Iterator[str]]) -> Response:
        """Answer with a stream of events. Raises Busy when too many are open."""
        if not self._free.acquire(blocking=False):
            raise Busy("too many people are following just now", code="too_many_streams", fix="Read the page instead.")
        response = Response(events(_reader_gone(request.environ)), mimetype="text/event-stream")
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"
        response.call_on_close(self._free.release)
        return response


def _reader_gone(environ: dict[str, Any]) -> Callable[[], bool]:
    """Return what tells whether the reader has closed the connection, which writing would notice only much later."""
    connection: socket.socket | None = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")

    def gone() -> bool:
        if connection is None:
            return False
        try:
            poll = select.poll()
            poll.register(connection, select.POLLIN)
            return bool(poll.poll(0)) and connection.recv(GONE_BYTES, socket.MSG_PEEK) == b""
        except (OSError, ValueError):
            return True

    return gone
