"""The deliveries of Bitbucket Data Center and Server: pure functions of headers and body.

https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html
"""

from collections.abc import Mapping

from hooks import bitbucket, payload
from hooks.meaning import (
    BITBUCKET,
    asked,
    message_of,
    moved,
    no_change,
    no_run,
    refuse_others,
    same,
    shown,
    unchanged,
    wrong_forge,
)
from hooks.payload import Payload, malformed
from pipeline.push import HEADS, Action, Event, Ignored, Ping, PullRequest, Push

verify = bitbucket.verify

# Event keys of Bitbucket Cloud, which has another door.
CLOUD = ("repo:push", "pullrequest:")
PUSHED, PINGED, MODIFIED = "repo:refs_changed", "diagnostics:ping", "pr:modified"
ACTIONS = {
    "pr:opened": Action.OPENED,
    "pr:from_ref_updated": Action.UPDATED,
    "pr:modified": Action.UPDATED,
    "pr:merged": Action.CLOSED,
    "pr:declined": Action.CLOSED,
    "pr:deleted": Action.CLOSED,
}


def repository(_headers: Mapping[str, str], body: bytes) -> str:
    """Return the repository that a delivery, signed or not, says it is about. Raises Rejected."""
    message = payload.glance_json(body)
    request = payload.part(message, "pullRequest")
    return _about(payload.part(payload.part(request, "toRef"), "repository") or payload.part(message, "repository"))


def parse(headers: Mapping[str, str], body: bytes) -> tuple[Event, ...]:
    """Return what a verified delivery says, one event a ref. Raises Rejected."""
    refuse_others(headers, "Bitbucket Data Center", bitbucket.OTHER_FORGES)
    said = headers.get(BITBUCKET, "")
    if said.startswith(CLOUD):
        raise wrong_forge("Bitbucket Data Center")
    message = payload.read_json(body)
    if not said or said != _key(message):
        raise malformed(f"X-Event-Key says {shown(said)!r}, and the body is no such thing")
    if said == PINGED:
        return (Ping(),)
    if said == PUSHED:
        return _pushes(message)
    if said in ACTIONS:
        return (_pull_request(message, said),)
    return (no_run(said, _glimpse(message)),)


def _pushes(message: Payload) -> tuple[Event, ...]:
    about = _about(payload.part(message, "repository"))
    author = payload.words(payload.part(message, "actor"), "name")
    # Newer versions describe commits, older ones none.
    told = [*payload.items(message, "commits"), payload.part(message, "toCommit")]
    changes = payload.items(message, "changes")
    return tuple(_push(change, told, about, author) for change in changes) or (no_change(about),)


def _push(change: Payload, told: list[Payload], about: str, author: str) -> Push:
    ref, after = payload.part(change, "ref"), payload.revision(change, "toHash")
    return moved(
        ref=payload.ref(ref, "id") if ref else payload.ref(change, "refId"),
        before=payload.revision(change, "fromHash"),
        after=after,
        message=message_of(told, after),
        author=author,
        repository=about,
    )


def _pull_request(message: Payload, said: str) -> PullRequest | Ignored:
    request = payload.part(message, "pullRequest")
    source, target = payload.part(request, "fromRef"), payload.part(request, "toRef")
    number, ours = payload.number(request, "id"), payload.part(target, "repository")
    # Modified is also said of a title; only another target matters.
    if said == MODIFIED and payload.glimpse(message, "previousTarget", "id") in ("", target.get("id")):
        return unchanged(number, said, _about(ours))
    return asked(
        PullRequest(
            number=number,
            action=ACTIONS[said],
            branch=_branch(source),
            after=payload.words(source, "latestCommit"),
            base=_branch(target),
            fork=not same(payload.part(source, "repository"), ours, ("id",)),
            title=payload.words(request, "title"),
            author=payload.words(payload.part(payload.part(request, "author"), "user"), "name"),
            repository=_about(ours),
        )
    )


def _branch(side: Payload) -> str:
    ref = payload.ref(side, "id")
    if not ref.startswith(HEADS):
        raise malformed("a side of the pull request is not a branch")
    return ref.removeprefix(HEADS)


def _key(message: Payload) -> str:
    """Return the event that the body says it is; the test of a connection says only that it is one."""
    return payload.words(message, "eventKey") or (PINGED if "test" in message else "")


def _about(known: Payload) -> str:
    owner = payload.identifier(payload.part(known, "project"), "key")
    return f"{owner}/{payload.identifier(known, 'slug')}"


def _glimpse(message: Payload) -> str:
    owner = payload.glimpse(message, "repository", "project", "key")
    name = payload.glimpse(message, "repository", "slug")
    return f"{owner}/{name}" if owner and name else ""
