"""What a delivery means, in our words."""

import re
from dataclasses import dataclass
from enum import StrEnum

SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
HEADS = "refs/heads/"
TAGS = "refs/tags/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """One ref moved to `after`; the words about it are the sender's, only `ref` and `after` are acted upon.

    `pull_request` is the number of the one that it was told of by, if nothing else would have made a run of it.
    """

    ref: str
    before: str
    after: str
    message: str = ""
    author: str = ""
    repository: str = ""
    pull_request: int | None = None

    @property
    def branch(self) -> str | None:
        """The branch's name, or None for a tag."""
        return self.ref.removeprefix(HEADS) if self.ref.startswith(HEADS) else None

    @property
    def tag(self) -> str | None:
        """The tag's name, or None for a branch."""
        return self.ref.removeprefix(TAGS) if self.ref.startswith(TAGS) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag(Push):
    """A tag was made, moved or deleted; `after` is the tag object of an annotated tag, or the commit itself."""


class Action(StrEnum):
    """What happened to a pull request; `updated` is a new head or a new base."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True, slots=True)
class PullRequest:
    """A request to merge `branch`, whose head is `after`, into `base`; from a `fork` the branch is not ours.

    `after` may be empty only where it is closed or a fork's.
    """

    number: int
    action: Action
    branch: str
    after: str
    base: str
    fork: bool
    title: str = ""
    author: str = ""
    repository: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ping:
    """The forge asks whether anybody is there."""

    repository: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ignored:
    """Nothing to do, with a stable code and a sentence that says why."""

    code: str
    sentence: str
    repository: str = ""


Event = Push | PullRequest | Ping | Ignored


def is_sha(text: str) -> bool:
    """Tell whether `text` is a whole object name, SHA-1 or SHA-256, in lower-case hex."""
    return SHA.fullmatch(text) is not None


def is_zero(sha: str) -> bool:
    """Tell whether `sha` is the all-zero name that git uses for a ref that is not there."""
    return is_sha(sha) and not sha.strip("0")
