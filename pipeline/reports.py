"""What a git host is told of a revision: which statuses, in its own words and within its limits. Pure."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.deployment import DeploymentState
from pipeline.names import run_name
from pipeline.outcome import State
from pipeline.project import Forge
from pipeline.telling import span, standing

CONTEXT = "slipway"
# GitHub takes 1,000 statuses of one context at one commit: what is only on the way is left out before that.
MOST_ON_THE_WAY = 900
ELLIPSIS = "…"

Words = Mapping[State, str]

_GITEA: Words = {
    State.QUEUED: "pending",
    State.RUNNING: "pending",
    State.WAITING: "pending",
    State.PASSED: "success",
    State.FAILED: "failure",
    State.ERROR: "error",
    State.CANCELLED: "warning",
    State.SUPERSEDED: "warning",
    State.SKIPPED: "success",
}
_GITLAB: Words = {
    State.QUEUED: "pending",
    State.RUNNING: "running",
    State.WAITING: "pending",
    State.PASSED: "success",
    State.FAILED: "failed",
    State.ERROR: "failed",
    State.CANCELLED: "canceled",
    State.SUPERSEDED: "canceled",
    State.SKIPPED: "skipped",
}
_BITBUCKET: Words = {
    State.QUEUED: "INPROGRESS",
    State.RUNNING: "INPROGRESS",
    State.WAITING: "INPROGRESS",
    State.PASSED: "SUCCESSFUL",
    State.FAILED: "FAILED",
    State.ERROR: "FAILED",
    State.CANCELLED: "STOPPED",
    State.SUPERSEDED: "STOPPED",
    State.SKIPPED: "SUCCESSFUL",
}
# The one place where our states become a host's.
WORDS: Mapping[Forge, Words] = {
    Forge.GITHUB: {**_GITEA, State.CANCELLED: "error", State.SUPERSEDED: "error"},
    Forge.GITLAB: _GITLAB,
    Forge.GITEA: _GITEA,
    Forge.FORGEJO: _GITEA,
    Forge.BITBUCKET: _BITBUCKET,
    Forge.BITBUCKET_SERVER: {**_BITBUCKET, State.CANCELLED: "CANCELLED", State.SUPERSEDED: "CANCELLED"},
}
DEPLOYMENT_WORDS: Mapping[DeploymentState, str] = {
    DeploymentState.QUEUED: "queued",
    DeploymentState.RUNNING: "in_progress",
    DeploymentState.DEPLOYED: "success",
    DeploymentState.FAILED: "failure",
    DeploymentState.ERROR: "error",
    DeploymentState.SUPERSEDED: "inactive",
}
REPLACED = "inactive"
DESCRIPTION_LIMIT = {Forge.GITHUB: 140}
LONGEST_DESCRIPTION = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class StageFacts:
    """A stage as it stands."""

    name: str
    state: State
    sentence: str = ""
    attempt: int = 0
    flaky: bool = False
    allow_failure: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """A run as it stands; `seconds` is how long it took, once it has ended; `whole`: of all stages, not only some."""

    id: int
    ref: str
    state: State
    url: str
    reason: str = ""
    seconds: float | None = None
    stages: tuple[StageFacts, ...] = ()
    whole: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """One commit status as it is sent: the state is the host's word for it."""

    context: str
    state: str
    description: str
    url: str
    ended: bool

    @property
    def as_told(self) -> dict[str, Any]:
        """Return what is kept once the host has taken it."""
        return {"state": self.state, "description": self.description, "url": self.url}


def statuses(runs: Sequence[RunFacts], forge: Forge) -> tuple[Status, ...]:
    """Return the statuses of one revision: of each context what the newest of its runs that has it says.

    A run of some stages speaks only of what no whole run has said anything of, and never for the commit.
    """
    found: dict[str, Status] = {}
    for run in sorted(runs, key=lambda one: (one.whole, one.id), reverse=True):
        for status in _of_run(run, forge):
            found.setdefault(status.context, status)
    return tuple(found.values())


def next_status(wanted: Sequence[Status], told: Mapping[str, Mapping[str, Any]], asking: str = "") -> Status | None:
    """Return the next status to send, or None if the host knows all.

    Whoever died while `asking` has left it open what the host shows there: that comes first, whatever was told.
    """
    open_one = next((one for one in wanted if one.context == asking), None)
    return open_one or next((one for one in wanted if _is_news(one, told.get(one.context, {}))), None)


def own_ref(runs: Sequence[RunFacts]) -> str:
    """Return the ref that statuses of a revision are filed under: always that of the first run it had."""
    return min(runs, key=lambda one: one.id).ref


def cut(text: str, limit: int) -> str:
    """Return one line of at most `limit` characters, without hidden signs, with … where something went."""
    seen = "".join(" " if unicodedata.category(one).startswith("C") else one for one in text)
    line = " ".join(seen.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}{ELLIPSIS}"


def _of_run(run: RunFacts, forge: Forge) -> Iterator[Status]:
    if run.whole:
        yield _status(forge, CONTEXT, run.state, f"{run_name(run.id)} {_words(run)}", run.url)
    for stage in run.stages:
        yield _status(forge, f"{CONTEXT}/{stage.name}", stage.state, _stage_words(stage), run.url)


def _status(forge: Forge, context: str, state: State, description: str, url: str) -> Status:
    limit = DESCRIPTION_LIMIT.get(forge, LONGEST_DESCRIPTION)
    word = WORDS[forge][state]
    return Status(context=context, state=word, description=cut(description, limit), url=url, ended=state.ended)


def _is_news(status: Status, told: Mapping[str, Any]) -> bool:
    same = all(told.get(name) == value for name, value in status.as_told.items())
    return not same and (status.ended or told.get("sent", 0) < MOST_ON_THE_WAY)


def _words(run: RunFacts) -> str:
    """Say how a run stands, as its message does."""
    culprit = next((one for one in run.stages if one.state is run.state and not one.allow_failure), None)
    # Between two stages the next one is named, so that the sentence changes once a stage and not twice.
    culprit = culprit or next((one for one in run.stages if not one.state.ended), None)
    where = culprit.name if culprit else "the run"
    stopped = next((one.name for one in run.stages if one.state is State.CANCELLED and one.attempt), "")
    in_stage = f" in {stopped}" if stopped else ""
    why = (culprit.sentence if culprit else "") or run.reason
    colon, reason = (f": {one}" if one else "" for one in (why, run.reason))
    told = {
        State.PASSED: _passed(run) + (f" in {span(run.seconds)}" if run.seconds is not None else ""),
        State.FAILED: f"failed in {where}{colon}",
        State.ERROR: f"could not run {where}; this is not your code{colon}",
        State.RUNNING: f"is running: {where}" if culprit else "is running",
        State.WAITING: f"waits{colon}",
        State.CANCELLED: f"was cancelled{in_stage}{reason}",
    }
    return told.get(run.state, f"is {run.state}{reason}")


def _passed(run: RunFacts) -> str:
    return "passed on retry (flaky)" if any(stage.flaky for stage in run.stages) else "passed"


def _stage_words(stage: StageFacts) -> str:
    again = f", attempt {stage.attempt}" if stage.attempt > 1 and stage.state is State.RUNNING else ""
    plain = stage.state is State.RUNNING or not stage.sentence
    word = standing(stage.state, flaky=stage.flaky, allowed=stage.allow_failure)
    return f"{word}{again}" if plain else f"{word}: {stage.sentence}"
