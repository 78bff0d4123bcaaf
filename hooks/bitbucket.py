"""Bitbucket Cloud's deliveries: pure functions of headers and body.

https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/
"""

from collections.abc import Mapping

from hooks import payload
from hooks.meaning import (
    BITBUCKET,
    FORGEJO,
    GITEA,
    GITHUB,
    GITLAB,
    GOGS,
    asked,
    moved,
    no_change,
    no_run,
    refuse_others,
    same,
    shown,
    wrong_forge,
)
from hooks.payload import Payload, malformed
from hooks.signatures import signature_holds
from pipeline.push import HEADS, TAGS, Action, Event, Ignored, PullRequest

OTHER_FORGES = (GITHUB, GITLAB, GITEA, FORGEJO, GOGS)
# Event keys of Bitbucket Data Center, which has another door.
DATA_CENTER = ("repo:refs_changed", "pr:", "diagnostics:", "mirror:")
PUSHED = "repo:push"
ACTIONS = {
    "pullrequest:created": Action.OPENED,
    "pullrequest:updated": Action.UPDATED,
    "pullrequest:fulfilled": Action.CLOSED,
    "pullrequest:rejected": Action.CLOSED,
}
PREFIXES = {"branch": HEADS, "tag": TAGS}
BESIDE = {"comment", "approval", "changes_request"}
NOTHING = "0" * 40


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Tell whether X-Hub-Signature, which is SHA-256 at Bitbucket, is the raw body's."""
    return signature_holds(headers.get("x-hub-signature", ""), body, secret, prefix="sha256=")


def repository(_headers: Mapping[str, str], body: bytes) -> str:
    """Return the repository that a delivery, signed or not, says it is about. Raises Rejected."""
    return _about(payload.glance_json(body))


def parse(headers: Mapping[str, str], body: bytes) -> tuple[Event, ...]:
    """Return what a verified delivery says, one event a ref. Raises Rejected."""
    refuse_others(headers, "Bitbucket Cloud", OTHER_FORGES)
    said = headers.get(BITBUCKET, "")
    if said.startswith(DATA_CENTER):
        raise wrong_forge("Bitbucket Cloud")
    message = payload.read_json(body)
    if not _agrees(said, message):
        raise malformed(f"X-Event-Key says {shown(said)!r}, and the body is no such thing")
    if said == PUSHED:
        return _pushes(message)
    if said in ACTIONS:
        return (_pull_request(message, ACTIONS[said]),)
    return (no_run(said, payload.glimpse(message, "repository", "full_name")),)


def _pushes(message: Payload) -> tuple[Event, ...]:
    about = _about(message)
    person = payload.part(message, "actor")
    author = payload.words(person, "nickname") or payload.words(person, "display_name")
    changes = payload.items(payload.part(message, "push"), "changes")
    return tuple(_change(change, about, author) for change in changes) or (no_change(about),)


def _change(change: Payload, about: str, author: str) -> Event:
    old, new = payload.part(change, "old"), payload.part(change, "new")
    there = new or old
    prefix = PREFIXES.get(payload.words(there, "type"))
    if prefix is None:
        sentence = "nothing to do: what changed is neither a branch nor a tag of git"
        return Ignored(code="ignored_event", sentence=sentence, repository=about)
    return moved(
        ref=payload.ref_below(prefix, there, "name"),
        before=_revision(old),
        after=_revision(new),
        message=payload.words(payload.part(new, "target"), "message"),
        author=author,
        repository=about,
    )


def _revision(side: Payload) -> str:
    """Return the commit that a ref was or is at; that of nothing where there was or is no ref."""
    return payload.revision(payload.part(side, "target"), "hash") if side else NOTHING


def _pull_request(message: Payload, action: Action) -> PullRequest | Ignored:
    request = payload.part(message, "pullrequest")
    source, destination = payload.part(request, "source"), payload.part(request, "destination")
    theirs, ours = payload.part(source, "repository"), payload.part(message, "repository")
    author = payload.part(request, "author")
    return asked(
        PullRequest(
            number=payload.number(request, "id"),
            action=action,
            branch=payload.branch(payload.part(source, "branch"), "name"),
            # Of the revision only the first twelve digits are told.
            after=payload.words(payload.part(source, "commit"), "hash"),
            base=payload.branch(payload.part(destination, "branch"), "name"),
            fork=not same(theirs, ours, ("uuid", "full_name")),
            title=payload.words(request, "title"),
            author=payload.words(author, "nickname") or payload.words(author, "display_name"),
            repository=_about(message),
        )
    )


def _agrees(said: str, message: Payload) -> bool:
    """Tell whether the body, which is signed, is what the header, which is not, says it is."""
    if said in ACTIONS:
        # A comment on a pull request, or an opinion about one, has the pull request in it too.
        return "pullrequest" in message and not BESIDE & message.keys()
    if "pullrequest" in message and not said.startswith("pullrequest:"):
        return False
    return bool(said) and ("push" in message) == (said == PUSHED)


def _about(message: Payload) -> str:
    return payload.identifier(payload.part(message, "repository"), "full_name")
