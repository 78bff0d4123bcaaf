"""What all git hosts' deliveries have in common, put in our words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hooks import payload
from hooks.payload import Payload, malformed
from pipeline.errors import Rejected
from pipeline.push import TAGS, Action, Ignored, PullRequest, Push, Tag, is_sha

# What each git host names its event in. Some send the names of others as well, for compatibility.
FORGEJO, GITEA, GOGS = "x-forgejo-event", "x-gitea-event", "x-gogs-event"
GITHUB, GITLAB, BITBUCKET = "x-github-event", "x-gitlab-event", "x-event-key"

PUSH, PULL_REQUEST, OTHER = "push", "pull_request", "other"


def refuse_others(headers: Mapping[str, str], forge: str, others: Sequence[str]) -> None:
    """Refuse a delivery that carries another forge's event header. Raises Rejected."""
    if any(name in headers for name in others):
        raise wrong_forge(forge)


def wrong_forge(forge: str) -> Rejected:
    """Return the error of a delivery that another forge has made."""
    return Rejected(
        f"this hook is for {forge}, and the delivery comes from another forge",
        code="wrong_forge",
        fix="Add the project with the --forge that sends its webhooks, and use the address it prints.",
    )


def check_shape(header: str, said: str, shape: str, known: Collection[str]) -> None:
    """Refuse an event header that the body contradicts: the body is signed and the header is not. Raises Rejected.

    `known` are the events that have a shape; `shape` is one of them or OTHER.
    """
    # A review of a pull request has the shape of one or not, depending on the host; either way its action decides.
    if said.startswith(PULL_REQUEST) and shape == PULL_REQUEST:
        return
    if not said or shape != (said if said in known else OTHER):
        raise malformed(f"{header} says {shown(said)!r}, and the body is no such thing")


def moved(*, ref: str, before: str, after: str, message: str, author: str, repository: str) -> Push:
    """Return the push of a branch or of a tag."""
    kind = Tag if ref.startswith(TAGS) else Push
    return kind(ref=ref, before=before, after=after, message=message, author=author, repository=repository)


def asked(request: PullRequest) -> PullRequest | Ignored:
    """Return a pull request if its head is a whole revision, or it is closed or a fork's; else ignore it with a reason.

    Some hosts abbreviate the head or leave it out. The push of the branch, which they tell of as well, has it whole.
    """
    if is_sha(request.after):
        return request
    if request.fork or request.action is Action.CLOSED:
        return replace(request, after="")
    sentence = f"nothing to do: the push of {request.branch} tells what pull request {request.number} is now"
    return Ignored(code="ignored_event", sentence=sentence, repository=request.repository)


def unchanged(number: int, action: str, about: str) -> Ignored:
    """Return what to do about a pull request to which something happened that concerns no commit."""
    sentence = f"nothing to do: {shown(action) or 'this'} changes no commit of pull request {number}"
    return Ignored(code="ignored_event", sentence=sentence, repository=about)


def no_run(event: str, about: str) -> Ignored:
    """Return what to do about an event of a kind that starts no runs."""
    sentence = f"nothing to do: {shown(event)} events start no runs"
    return Ignored(code="ignored_event", sentence=sentence, repository=about)


def no_change(about: str) -> Ignored:
    """Return what to do about a push of nothing."""
    return Ignored(code="ignored_event", sentence="nothing to do: no ref changed", repository=about)


def message_of(commits: Sequence[Payload], revision: str) -> str:
    """Return the message of one commit of a list that may have been cut short; empty if it is not in it."""
    found = (payload.words(one, "message") for one in commits if one.get("id") == revision)
    return next(found, "")


def same(one: Payload, other: Payload, keys: Sequence[str]) -> bool:
    """Tell whether two repositories are one, by the first key that both have; unknown ones are not."""
    both: list[tuple[Any, Any]] = [(one.get(key), other.get(key)) for key in keys]
    known = [pair for pair in both if all(isinstance(value, str | int) for value in pair)]
    return bool(known) and known[0][0] == known[0][1]


def shown(text: str) -> str:
    """Return a sender's word, fit for a sentence."""
    return payload.clean(text)[:40]
