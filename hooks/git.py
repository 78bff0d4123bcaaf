"""Plain git's deliveries, signed as Standard Webhooks say: pure functions of headers and body.

What `slipway hook install` puts into a bare repository sends them; anything else may too.
"""

from collections.abc import Mapping

from hooks import payload
from hooks.meaning import BITBUCKET, FORGEJO, GITEA, GITHUB, GITLAB, GOGS, moved, no_change, refuse_others
from hooks.payload import Payload, malformed
from hooks.signatures import standard_signature_holds
from pipeline.push import Event, Push

verify = standard_signature_holds

MOST_CHANGES = 200
OTHER_FORGES = (GITHUB, GITLAB, GITEA, FORGEJO, GOGS, BITBUCKET)


def repository(_headers: Mapping[str, str], body: bytes) -> str:
    """Return the repository that a delivery, signed or not, says it is about. Raises Rejected."""
    return payload.identifier(payload.glance_json(body), "repository")


def parse(headers: Mapping[str, str], body: bytes) -> tuple[Event, ...]:
    """Return what a verified delivery says, one event a ref. Raises Rejected."""
    refuse_others(headers, "plain git", OTHER_FORGES)
    return events(payload.read_json(body))


def events(message: Payload) -> tuple[Event, ...]:
    """Return what a list of changes says, one event a ref. Raises Rejected."""
    about = payload.identifier(message, "repository")
    changes = payload.items(message, "changes")
    if message.get("changes") is None or len(changes) > MOST_CHANGES:
        raise malformed(f"changes is not a list of at most {MOST_CHANGES}")
    pusher = payload.words(message, "pusher")
    return tuple(_push(change, about, pusher) for change in changes) or (no_change(about),)


def _push(change: Payload, about: str, pusher: str) -> Push:
    after = payload.revision(change, "after")
    known = change.get("before") is not None
    return moved(
        ref=payload.ref(change),
        # Whoever does not know where a ref was says nothing; it is as if the ref were new.
        before=payload.revision(change, "before") if known else "0" * len(after),
        after=after,
        message=payload.words(change, "message"),
        author=payload.words(change, "author") or pusher,
        repository=about,
    )
