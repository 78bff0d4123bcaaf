"""The addresses that git hosts post to: sizes and types first, then the raw body, then everything else."""

import time
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from hooks.accept import Answer, Inbox, Received
from hooks.forges import DOORS
from pipeline.errors import NotFound, TooLarge, WrongType
from pipeline.names import run_name

CHUNK = 64 * 1024
DISCARD_SECONDS = 5.0


def make(inbox: Inbox, *, body_limit: int) -> Blueprint:
    """Return the blueprint that answers POST /hooks/{forge}[/{project}], for bodies of at most so many bytes."""
    blueprint = Blueprint("hooks", __name__)

    def receive(forge: str, project: str | None = None) -> tuple[Response, int]:
        """Take in one webhook."""
        door = DOORS.get(forge)
        if door is None:
            raise NotFound(f"there is no hook for {forge!r}; there are: {', '.join(DOORS)}", code="unknown_forge")
        if request.mimetype not in door.types:
            raise WrongType(f"a {forge} webhook's content type is {' or '.join(sorted(door.types))}")
        body = read_body(body_limit)
        answer = inbox.receive(Received(door=door, project=project, headers=lower_headers(), body=body))
        return jsonify(_shown(answer)), answer.status

    # Without automatic OPTIONS every method but POST is answered 405.
    options: dict[str, Any] = {"methods": ["POST"], "provide_automatic_options": False}
    blueprint.add_url_rule("/hooks/<forge>", "receive_any", receive, **options)
    blueprint.add_url_rule("/hooks/<forge>/<project>", "receive", receive, **options)
    return blueprint


def read_body(limit: int) -> bytes:
    """Return the request's body as it came, keeping at most `limit` bytes whatever its headers say."""
    request.max_content_length = limit
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge as fault:
        _discard(limit)
        raise TooLarge(f"the body is larger than {limit} bytes") from fault


def _discard(most: int) -> None:
    """Read on for a while without keeping anything: a sender still at it would see a reset and not the answer."""
    stream, end = request.environ["wsgi.input"], time.monotonic() + DISCARD_SECONDS
    left = most
    while left > 0 and time.monotonic() < end:
        read = len(stream.read(min(left, CHUNK)))
        if not read:
            return
        left -= read


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
