"""GitHub's deliveries: pure functions of headers and body.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from collections.abc import Mapping

from hooks import payload
from hooks.payload import Payload, malformed
from hooks.signatures import github_signature_holds
from pipeline.errors import Rejected
from pipeline.push import Event, Ignored, Ping, Push

verify = github_signature_holds

FORM = "application/x-www-form-urlencoded"
# Other forges send GitHub's headers too, for compatibility, and beside them their own.
OTHER_FORGES = ("x-gitea-event", "x-forgejo-event", "x-gogs-event", "x-gitlab-event")


def repository(headers: Mapping[str, str], body: bytes) -> str:
    """Return the repository that a delivery, signed or not, says it is about. Raises Rejected."""
    return payload.identifier(payload.part(_read(headers, body), "repository"), "full_name")


def parse(headers: Mapping[str, str], body: bytes) -> tuple[Event, ...]:
    """Return what a verified delivery says. Raises Rejected."""
    if any(name in headers for name in OTHER_FORGES):
        raise Rejected("this hook is for GitHub, and the delivery comes from another forge", code="wrong_forge")
    said = headers.get("x-github-event", "")
    message = _read(headers, body)
    # The header is not signed and the body is: they must agree, or a push could be passed off as something else.
    if _shape(message) != (said if said in {"push", "ping"} else "other"):
        raise malformed(f"X-GitHub-Event says {payload.clean(said)[:40]!r}, and the body is no such thing")
    if said == "push":
        return (_push(message),)
    about = payload.words(payload.part(message, "repository"), "full_name")
    if said == "ping":
        return (Ping(repository=about),)
    sentence = f"nothing to do: {payload.clean(said)[:40] or 'nameless'} events start no runs"
    return (Ignored(code="ignored_event", sentence=sentence, repository=about),)


def _push(message: Payload) -> Push:
    return Push(
        ref=payload.ref(message),
        before=payload.revision(message, "before"),
        after=payload.revision(message, "after"),
        message=payload.words(payload.part(message, "head_commit"), "message"),
        author=payload.words(payload.part(message, "pusher"), "name"),
        repository=payload.identifier(payload.part(message, "repository"), "full_name"),
    )


def _shape(message: Payload) -> str:
    if {"ref", "before", "after"} <= message.keys():
        return "push"
    return "ping" if {"zen", "hook_id"} <= message.keys() else "other"


def _read(headers: Mapping[str, str], body: bytes) -> Payload:
    form = headers.get("content-type", "").partition(";")[0].strip().lower() == FORM
    return payload.read_json(payload.form_field(body, "payload") if form else body)
