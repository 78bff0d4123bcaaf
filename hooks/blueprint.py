"""The addresses that git hosts post to: sizes and types first, then the raw body, then everything else."""

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from flask import Blueprint, Response, request

from hooks.accept import Answer, Inbox, Received
from hooks.forges import DOORS, JSON
from pipeline.errors import NotFound, TooLarge, WrongType
from pipeline.names import run_name

CHUNK = 64 * 1024
DISCARD_SECONDS = 5.0

Patience = Callable[[], AbstractContextManager[object]]


def make(inbox: Inbox, *, body_limit: int, patience: Patience = nullcontext) -> Blueprint:
    """Return the blueprint that answers POST /hooks/{forge}[/{project}], for bodies of at most so many bytes.

    `patience` ends the reading of a body that takes too long, by raising TooSlow.
    """
    blueprint = Blueprint("hooks", __name__)

    def receive(forge: str, project: str | None = None) -> Response:
        """Take in one webhook."""
        door = DOORS.get(forge)
        if door is None:
            raise NotFound(f"there is no hook for {forge!r}; there are: {', '.join(DOORS)}", code="unknown_forge")
        if request.mimetype not in door.types:
            raise WrongType(f"a {forge} webhook's content type is {' or '.join(sorted(door.types))}")
        with patience():
            body = read_body(body_limit)
        answer = inbox.receive(Received(door=door, project=project, headers=lower_headers(), body=body))
        return Response(json.dumps(_shown(answer)), status=answer.status, mimetype=JSON)

    # Without automatic OPTIONS every method but POST is answered 405.
    options: dict[str, Any] = {"methods": ["POST"], "provide_automatic_options": False}
    blueprint.add_url_rule("/hooks/<forge>", "receive_any", receive, **options)
    blueprint.add_url_rule("/hooks/<forge>/<project>", "receive", receive, **options)
    return blueprint


def read_body(limit: int) -> bytes:
    """Return the request's body as it came, keeping at most `limit` bytes whatever its headers say."""
    kept: list[bytes] = []
    size = request.content_length or 0
    if size <= limit:
        size = 0
        # One more, since a body without a length is cut there and not refused.
        request.max_content_length = limit + 1
        while size <= limit and (part := request.stream.read(CHUNK)):
            kept.append(part)
            size += len(part)
    if size > limit:
        kept.clear()
        _discard(limit)
        raise TooLarge(f"the body is larger than {limit} bytes")
    return b"".join(kept)


def _discard(most: int) -> None:
    """Read on for a while without keeping anything: a sender still at it would see a reset and not the answer."""
    stream, end = request.environ["wsgi.input"], time.monotonic() + DISCARD_SECONDS
    left = most
    while left > 0 and time.monotonic() < end:
        read = len(stream.read(min(left, CHUNK)))
        if not read:
            return
        left -= read
    # Or gunicorn would read on for as long as it keeps a connection, in search of the next request.
    setattr(stream, "failed", True)  # noqa: B010 - gunicorn's own word, unknown to the protocol of streams


def lower_headers() -> dict[str, str]:
    """Return the request's headers by their lower-case names."""
    return {name.lower(): value for name, value in request.headers.items()}


def _shown(answer: Answer) -> dict[str, Any]:
    return {
        "delivery": str(answer.delivery),
        "runs": [run_name(number) for number in answer.runs],
        "code": answer.code,
        "detail": answer.detail,
    }
