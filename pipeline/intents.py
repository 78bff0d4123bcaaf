"""What a person can ask for in chat: the one value that five mouths are parsed into."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any


class Verb(StrEnum):
    """Every verb of the grammar, whether it acts yet or not."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    PROMOTE = "promote"
    APPROVE = "approve"
    REJECT = "reject"
    ADVANCE = "advance"
    ABORT = "abort"
    BUILD = "build"
    CANCEL = "cancel"
    RETRY = "retry"
    LOCK = "lock"
    UNLOCK = "unlock"
    PAUSE = "pause"
    RESUME = "resume"
    STATUS = "status"
    WHERE = "where"
    SETS = "sets"
    HISTORY = "history"
    DIFF = "diff"
    LOG = "log"
    LOCKS = "locks"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    LINK = "link"
    WHOAMI = "whoami"
    HELP = "help"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What is to be deployed: a service, a project, `all`, or a set; `ref` is empty where none was given."""

    name: str = ""
    ref: str = ""
    set: str = ""

    def __str__(self) -> str:
        if self.set:
            return f"set {self.set}"
        return f"{self.name}@{self.ref}" if self.ref else self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Intent:
    """A line that was understood. Names are as they were written: only the verbs know which there are."""

    verb: Verb
    targets: tuple[Target, ...] = ()
    environment: str = ""
    source: str = ""
    back_to: Target | None = None
    id: str = ""
    subject: str = ""
    words: tuple[str, ...] = ()
    strategy: str = ""
    percent: int | None = None
    seconds: int | None = None
    reason: str = ""
    forced: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistake:
    """A line that was not understood: why, what may have been meant, and how the verb is written."""

    sentence: str
    suggestions: tuple[str, ...] = ()
    usage: str = ""


def as_json(intent: Intent) -> dict[str, Any]:
    """Return an intent as JSON: the verb, and what else was said."""
    said: dict[str, Any] = {"verb": intent.verb.value}
    for one in fields(intent):
        value = getattr(intent, one.name)
        if one.name != "verb" and value not in ("", None, False, ()):
            said[one.name] = _plain(value)
    return said


def _plain(value: Any) -> Any:
    if isinstance(value, Target):
        return {one.name: getattr(value, one.name) for one in fields(value) if getattr(value, one.name)}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
