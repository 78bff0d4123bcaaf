"""Plain git's deliveries, signed as Standard Webhooks say: pure functions of headers and body.

What `slipway hook install` puts into a bare repository sends them; anything else may too.
"""

from collections.abc import Mapping
from typing import Any

from hooks import payload
from hooks.payload import Payload, malformed
from hooks.signatures import standard_signature_holds
from pipeline.push import Event, Ignored, Push

verify = standard_signature_holds

MOST_CHANGES = 200


def repository(_headers: Mapping[str, str], body: bytes) -> str:
    """Return the repository that a delivery, signed or not, says it is about. Raises Rejected."""
    return payload.identifier(payload.read_json(body), "repository")


def parse(_headers: Mapping[str, str], body: bytes) -> tuple[Event, ...]:
    """Return what a verified delivery says, one event a ref. Raises Rejected."""
    message = payload.read_json(body)
    about = payload.identifier(message, "repository")
    changes = message.get("changes")
    if not isinstance(changes, list) or len(changes) > MOST_CHANGES:
        raise malformed(f"changes is not a list of at most {MOST_CHANGES}")
    if not changes:
        return (Ignored(code="ignored_event", sentence="nothing to do: no ref changed", repository=about),)
    pusher = payload.words(message, "pusher")
    return tuple(_push(change, about, pusher) for change in changes)


def _push(change: Any, about: str, pusher: str) -> Push:
    if not isinstance(change, dict):
        raise malformed("a change is not an object")
    said: Payload = change
    return Push(
        ref=payload.ref(said),
        before=payload.revision(said, "before"),
        after=payload.revision(said, "after"),
        message=payload.words(said, "message"),
        author=payload.words(said, "author") or pusher,
        repository=about,
    )
