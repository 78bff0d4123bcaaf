"""What programs do through the API: say a line of the chat grammar."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from control.speak import say
from pipeline.errors import Rejected, WrongType
from store.session import Database

ANYBODY = "api@localhost"


def make_acts(
    database: Database, *, channel: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Blueprint:
    """Return the blueprint of `POST /api/v1/chat`; what may not be raises Rejected for the app to answer."""
    acts = Blueprint("acts", __name__, url_prefix="/api/v1")

    @acts.post("/chat")
    def chat() -> ResponseReturnValue:
        """Do what `text` says for the person `as`; answer what was understood, and the reply."""
        said = _said()
        spoken = say(database, said["text"], actor=said.get("as") or ANYBODY, channel=channel, at=now())
        return jsonify(spoken.as_json())

    return acts


def _said() -> dict[str, str]:
    # Only JSON: a form on another site can post a form's types without asking, and this it cannot.
    if request.mimetype != "application/json":
        raise WrongType("POST /api/v1/chat reads application/json", fix='Send {"text": "status", "as": "EMAIL"}.')
    said: Any = request.get_json(silent=True)
    if not isinstance(said, dict) or not isinstance(said.get("text"), str):
        raise Rejected('the body must be {"text": "LINE", "as": "EMAIL"}', code="bad_body")
    actor = said.get("as") or ""
    if not isinstance(actor, str) or len(actor) > 254 or not actor.isprintable():
        raise Rejected("`as` must be an e-mail address", code="bad_body")
    return {"text": said["text"], "as": actor.strip()}
