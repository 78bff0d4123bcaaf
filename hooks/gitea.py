"""The deliveries of Gitea, and of Forgejo and Gogs, its relatives: pure functions of headers and body.

https://docs.gitea.com/usage/webhooks, https://forgejo.org/docs/latest/user/webhooks, https://gogs.io/docs/features/webhook
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hooks import payload
from hooks.github import is_form
from hooks.meaning import (
    BITBUCKET,
    FORGEJO,
    GITEA,
    GITLAB,
    GOGS,
    OTHER,
    PULL_REQUEST,
    PUSH,
    asked,
    check_shape,
    message_of,
    moved,
    no_run,
    refuse_others,
    same,
    unchanged,
)
from hooks.payload import Payload
from hooks.signatures import signature_holds
from pipeline.errors import Rejected
from pipeline.push import HEADS, TAGS, Action, Event, Ignored, Ping, PullRequest

CREATE, DELETE = "create", "delete"
NOTHING = "0" * 40
ACTIONS = {
    "opened": Action.OPENED,
    "reopened": Action.UPDATED,
    "synchronized": Action.UPDATED,
    "edited": Action.UPDATED,
    "closed": Action.CLOSED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Relative:
    """One of the family: its name, the headers of its own, and the event headers it does not send."""

    name: str
    event_header: str
    signature_header: str
    others: tuple[str, ...]

    def verify(self, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
        """Tell whether the signature is that of the JSON text, also where the body is a form around it."""
        try:
            text = _text(headers, body)
        except Rejected:
            text = b""
        return signature_holds(headers.get(self.signature_header, ""), text, secret) and bool(text)

    def parse(self, headers: Mapping[str, str], body: bytes) -> tuple[Event, ...]:
        """Return what a verified delivery says. Raises Rejected."""
        refuse_others(headers, self.name, self.others)
        said = headers.get(self.event_header, "")
        message = payload.read_json(_text(headers, body))
        shape = _shape(message)
        check_shape(self.event_header.title(), said, shape, {PUSH, PULL_REQUEST, CREATE, DELETE})
        return (_event(message, said, shape),)


GITEA_ITSELF = Relative(
    name="Gitea", event_header=GITEA, signature_header="x-gitea-signature", others=(GITLAB, BITBUCKET)
)
FORGEJO_ITSELF = Relative(
    name="Forgejo", event_header=FORGEJO, signature_header="x-forgejo-signature", others=(GITLAB, BITBUCKET)
)
GOGS_ITSELF = Relative(
    name="Gogs",
    event_header=GOGS,
    signature_header="x-gogs-signature",
    others=(GITEA, FORGEJO, GITLAB, BITBUCKET),
)


def repository(headers: Mapping[str, str], body: bytes) -> str:
    """Return the repository that a delivery, signed or not, says it is about. Raises Rejected."""
    return _about(payload.glance_json(_text(headers, body)))


def _event(message: Payload, said: str, shape: str) -> Event:
    if shape == PUSH:
        return _push(message)
    if shape == PULL_REQUEST:
        return _pull_request(message)
    if shape == DELETE:
        return _deletion(message)
    about = payload.glimpse(message, "repository", "full_name")
    if shape == CREATE:
        sentence = "nothing to do: the push that comes with a new branch or tag tells of it"
        return Ignored(code="ignored_event", sentence=sentence, repository=about)
    return no_run(said, about)


def _push(message: Payload) -> Event:
    before, after = payload.revision(message, "before"), payload.revision(message, "after")
    # A test delivery looks like a push, from the newest commit to itself, or from nothing to nothing.
    if before == after:
        return Ping(repository=_about(message))
    head = payload.part(message, "head_commit")
    commits = payload.items(message, "commits")
    return moved(
        ref=payload.ref(message),
        before=before,
        after=after,
        message=message_of([head, *commits], after),
        author=_login(message, "pusher") or _login(message, "sender"),
        repository=_about(message),
    )


def _deletion(message: Payload) -> Event:
    prefix = TAGS if payload.words(message, "ref_type") == "tag" else HEADS
    return moved(
        ref=payload.ref_below(prefix, message, "ref"),
        before=NOTHING,
        after=NOTHING,
        message="",
        author=_login(message, "sender"),
        repository=_about(message),
    )


def _pull_request(message: Payload) -> PullRequest | Ignored:
    number, action = payload.number(message, "number"), payload.words(message, "action")
    ours, about = payload.part(message, "repository"), _about(message)
    # Edited is also said of a title; only another base matters.
    if action not in ACTIONS or (action == "edited" and "ref" not in payload.part(message, "changes")):
        return unchanged(number, action, about)
    request = payload.part(message, "pull_request")
    head, base = _side(request, "head"), _side(request, "base")
    branch = payload.branch(head, "ref")
    return asked(
        PullRequest(
            number=number,
            action=ACTIONS[action],
            branch=branch,
            after=payload.words(head, "sha"),
            base=payload.branch(base, "ref"),
            # What was pushed to refs/for/BRANCH is of the same repository, and anybody may push there.
            fork=branch.startswith("refs/")
            or not same(payload.part(head, "repo"), payload.part(base, "repo") or ours, ("id", "full_name")),
            title=payload.words(request, "title"),
            author=_login(request, "user"),
            repository=about,
        )
    )


def _side(request: Payload, name: str) -> Payload:
    """Return the head or base of a pull request; Gogs has them as fields of the request, without the revision."""
    if name in request:
        return payload.part(request, name)
    return {"ref": request.get(f"{name}_branch"), "repo": request.get(f"{name}_repo")}


def _shape(message: Payload) -> str:
    if {"ref", "before", "after"} <= message.keys():
        return PUSH
    if {"number", "pull_request"} <= message.keys() and message.get("review") is None:
        return PULL_REQUEST
    if {"ref", "ref_type"} <= message.keys():
        return CREATE if "sha" in message else DELETE
    return OTHER


def _about(message: Payload) -> str:
    return payload.identifier(payload.part(message, "repository"), "full_name")


def _login(message: Payload, name: str) -> str:
    person = payload.part(message, name)
    return payload.words(person, "login") or payload.words(person, "username")


def _text(headers: Mapping[str, str], body: bytes) -> bytes:
    return payload.form_field(body, "payload") if is_form(headers) else body
