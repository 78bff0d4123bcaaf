"""GitLab's deliveries: pure functions of headers and body.

https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

from collections.abc import Mapping

from hooks import payload
from hooks.meaning import (
    BITBUCKET,
    FORGEJO,
    GITEA,
    GITHUB,
    GOGS,
    asked,
    message_of,
    moved,
    no_change,
    no_run,
    refuse_others,
    shown,
    unchanged,
)
from hooks.payload import Payload, malformed
from hooks.signatures import seal as sealed
from hooks.signatures import seal_holds, standard_signature_holds, standard_time, token_holds
from pipeline.push import Action, Event, Ignored, PullRequest, is_zero

OTHER_FORGES = (GITHUB, GITEA, FORGEJO, GOGS, BITBUCKET)
TOKEN, SIGNATURE, SEAL = "x-gitlab-token", "webhook-signature", "slipway-token-seal"
SYSTEM_HOOK = "System Hook"
# A header and the kind that the body then has; what an administrator's hook sends all comes under one header.
KINDS = {"Push Hook": "push", "Tag Push Hook": "tag_push", "Merge Request Hook": "merge_request"}
READ = {*KINDS.values(), "repository_update"}
ACTIONS = {
    "open": Action.OPENED,
    "reopen": Action.UPDATED,
    "update": Action.UPDATED,
    "close": Action.CLOSED,
    "merge": Action.CLOSED,
}


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Tell whether the signing token signed it, or, only where nothing is signed, the secret token came with it."""
    if SIGNATURE in headers:
        return standard_signature_holds(headers, body, secret)
    return token_holds(headers.get(TOKEN, ""), secret)


def verify_kept(kept: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Tell the same of what was kept of a delivery, where a seal stands for the secret token."""
    if SIGNATURE in kept:
        return standard_signature_holds(kept, body, secret)
    return seal_holds(kept.get(SEAL, ""), body, secret)


def seal(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """Return what is kept in place of the secret token."""
    token = headers.get(TOKEN, "")
    return {SEAL: sealed(token, body)} if token and SIGNATURE not in headers else {}


def sent_at(headers: Mapping[str, str]) -> float | None:
    """Return the signed time of sending; None where nothing is signed."""
    return standard_time(headers) if SIGNATURE in headers else None


def repository(_headers: Mapping[str, str], body: bytes) -> str:
    """Return the repository that a delivery, signed or not, says it is about. Raises Rejected."""
    return _about(payload.glance_json(body))


def parse(headers: Mapping[str, str], body: bytes) -> tuple[Event, ...]:
    """Return what a verified delivery says, one event a ref. Raises Rejected."""
    refuse_others(headers, "GitLab", OTHER_FORGES)
    message = payload.read_json(body)
    said, kind = headers.get("x-gitlab-event", ""), _kind(message)
    if not said or (said != SYSTEM_HOOK and KINDS.get(said) != (kind if kind in READ else None)):
        raise malformed(f"X-Gitlab-Event says {shown(said)!r}, and the body is no such thing")
    if kind in {"push", "tag_push"}:
        return (_push(message, message),)
    if kind == "merge_request":
        return (_merge_request(message),)
    about = payload.glimpse(message, "project", "path_with_namespace")
    if kind == "repository_update":
        # One for a whole push, also for one of so many refs that GitLab sends no push events.
        return tuple(_push(message, change) for change in payload.items(message, "changes")) or (no_change(about),)
    return (no_run(kind or said, about),)


def _push(message: Payload, change: Payload) -> Event:
    after = payload.revision(change, "after")
    about = _about(message)
    if _skips(message) and not is_zero(after):
        sentence = "nothing to do: the push option ci.skip asks for no run"
        return Ignored(code="skip_requested", sentence=sentence, repository=about)
    commits = payload.items(message, "commits")
    # The commit of an annotated tag has another name than the tag itself.
    commit = payload.words(message, "checkout_sha") if change is message else ""
    return moved(
        ref=payload.ref(change),
        before=payload.revision(change, "before"),
        after=after,
        message=message_of(commits, after) or message_of(commits, commit),
        author=payload.words(message, "user_username") or payload.words(message, "user_name"),
        repository=about,
    )


def _merge_request(message: Payload) -> PullRequest | Ignored:
    request = payload.part(message, "object_attributes")
    number, action = payload.number(request, "iid"), payload.words(request, "action")
    about = _about(message)
    # Update is also said of a title, a label, a draft; only new commits (then there is an old revision) or another
    # target matter.
    changes = payload.part(message, "changes")
    if action not in ACTIONS or (action == "update" and "oldrev" not in request and "target_branch" not in changes):
        return unchanged(number, action, about)
    source, target = request.get("source_project_id"), request.get("target_project_id")
    return asked(
        PullRequest(
            number=number,
            action=ACTIONS[action],
            branch=payload.branch(request, "source_branch"),
            after=payload.words(payload.part(request, "last_commit"), "id"),
            base=payload.branch(request, "target_branch"),
            fork=source is None or source != target,
            title=payload.words(request, "title"),
            author=payload.words(payload.part(message, "user"), "username"),
            repository=about,
        )
    )


def _skips(message: Payload) -> bool:
    """Tell whether the push was made with `-o ci.skip`."""
    options = message.get("push_options")
    asked_of_ci = options.get("ci") if isinstance(options, dict) else None
    return isinstance(asked_of_ci, dict) and bool(asked_of_ci.get("skip"))


def _kind(message: Payload) -> str:
    return payload.glimpse(message, "object_kind") or payload.glimpse(message, "event_name")


def _about(message: Payload) -> str:
    return payload.identifier(payload.part(message, "project"), "path_with_namespace")
