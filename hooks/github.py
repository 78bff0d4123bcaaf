"""GitHub's deliveries: pure functions of headers and body.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from collections.abc import Mapping

from hooks import payload
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
    moved,
    no_run,
    refuse_others,
    same,
    unchanged,
)
from hooks.payload import Payload
from hooks.signatures import signature_holds
from pipeline.push import Action, Event, Ignored, Ping, PullRequest, Push

FORM = "application/x-www-form-urlencoded"
OTHER_FORGES = (GITEA, FORGEJO, GOGS, GITLAB, BITBUCKET)
PING = "ping"
ACTIONS = {
    "opened": Action.OPENED,
    "reopened": Action.UPDATED,
    "synchronize": Action.UPDATED,
    "edited": Action.UPDATED,
    "closed": Action.CLOSED,
}


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Tell whether X-Hub-Signature-256 is the raw body's; the older SHA-1 header is not looked at."""
    return signature_holds(headers.get("x-hub-signature-256", ""), body, secret, prefix="sha256=")


def repository(headers: Mapping[str, str], body: bytes) -> str:
    """Return the repository that a delivery, signed or not, says it is about. Raises Rejected."""
    return payload.identifier(payload.part(payload.glance_json(_text(headers, body)), "repository"), "full_name")


def parse(headers: Mapping[str, str], body: bytes) -> tuple[Event, ...]:
    """Return what a verified delivery says. Raises Rejected."""
    refuse_others(headers, "GitHub", OTHER_FORGES)
    said = headers.get("x-github-event", "")
    message = payload.read_json(_text(headers, body))
    shape = _shape(message)
    check_shape("X-GitHub-Event", said, shape, {PUSH, PULL_REQUEST, PING})
    if shape == PUSH:
        return (_push(message),)
    if shape == PULL_REQUEST:
        return (_pull_request(message),)
    about = payload.glimpse(message, "repository", "full_name")
    return (Ping(repository=about) if shape == PING else no_run(said, about),)


def _push(message: Payload) -> Push:
    pusher = payload.words(payload.part(message, "pusher"), "name")
    return moved(
        ref=payload.ref(message),
        before=payload.revision(message, "before"),
        after=payload.revision(message, "after"),
        message=payload.words(payload.part(message, "head_commit"), "message"),
        author=pusher or payload.words(payload.part(message, "sender"), "login"),
        repository=payload.identifier(payload.part(message, "repository"), "full_name"),
    )


def _pull_request(message: Payload) -> PullRequest | Ignored:
    number, action = payload.number(message, "number"), payload.words(message, "action")
    ours = payload.part(message, "repository")
    about = payload.identifier(ours, "full_name")
    # Edited is also said of a title; only another base matters.
    if action not in ACTIONS or (action == "edited" and "base" not in payload.part(message, "changes")):
        return unchanged(number, action, about)
    request = payload.part(message, "pull_request")
    head, base = payload.part(request, "head"), payload.part(request, "base")
    return asked(
        PullRequest(
            number=number,
            action=ACTIONS[action],
            branch=payload.branch(head, "ref"),
            after=payload.revision(head, "sha"),
            base=payload.branch(base, "ref"),
            fork=not same(payload.part(head, "repo"), payload.part(base, "repo") or ours, ("id", "full_name")),
            title=payload.words(request, "title"),
            author=payload.words(payload.part(request, "user"), "login"),
            repository=about,
        )
    )


def _shape(message: Payload) -> str:
    if {"ref", "before", "after"} <= message.keys():
        return PUSH
    if {"number", "pull_request"} <= message.keys():
        return PULL_REQUEST
    return PING if {"zen", "hook_id"} <= message.keys() else OTHER


def _text(headers: Mapping[str, str], body: bytes) -> bytes:
    return payload.form_field(body, "payload") if is_form(headers) else body


def is_form(headers: Mapping[str, str]) -> bool:
    """Tell whether a body is a form."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == FORM
