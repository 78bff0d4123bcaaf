"""How a stage or a run ended, or why it has not yet."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The one list of states of runs and stages; `failed` is the project's code, `error` is ours."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    SKIPPED = "skipped"

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will happen."""
        return self in ENDED


ENDED = frozenset({State.PASSED, State.FAILED, State.ERROR, State.CANCELLED, State.SUPERSEDED, State.SKIPPED})


# The one reason to skip a commit that says nothing of the commits below it.
SKIP_REQUESTED = "skip_requested"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The end of one stage: a state, a sentence for people, a stable code, the last lines of output."""

    state: State
    sentence: str = ""
    code: str = ""
    tail: tuple[str, ...] = ()


def passed(sentence: str = "") -> Outcome:
    """Return the outcome of a stage that did what it should."""
    return Outcome(state=State.PASSED, sentence=sentence, code="passed")


def superseded(sentence: str) -> Outcome:
    """Return the outcome of a stage that a newer run has made needless."""
    return Outcome(state=State.SUPERSEDED, sentence=sentence, code="superseded")


def skipped(sentence: str, code: str) -> Outcome:
    """Return the outcome of a stage that had nothing to do."""
    return Outcome(state=State.SKIPPED, sentence=sentence, code=code)
