"""What an event means for a project: a run to start, or a reason to do nothing."""

import re
from dataclasses import dataclass

from pipeline.clone_url import local_path
from pipeline.globs import matches_any
from pipeline.project import Project
from pipeline.push import HEADS, TAGS, Action, Event, Ignored, Ping, PullRequest, Push, is_zero

# The marks that git hosts agree on, as GitHub, GitLab, Woodpecker and Buildbot read them.
SKIP_MARK = re.compile(r"\[ *(?:skip *ci|ci *skip|no *ci|skip *actions|actions *skip) *\]", re.IGNORECASE)
SKIP_TRAILER = re.compile(r"^skip-checks: *true *$", re.IGNORECASE | re.MULTILINE)
# The code of what the default branch's rules want no run of.
BY_RULE = "ignored_branch"


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """A run to start; `again` if the commit has had its run and the ref was moved back to it since."""

    push: Push
    again: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Deleted:
    """A ref that is there no longer: what runs for it is called off."""

    ref: str
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A run that was made: of which commit, moved from which; `void` if it gave way to another or was called off."""

    run_id: int
    revision: str
    before: str = ""
    void: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What is known of a ref: the commit we were last told of, and the newest run that did not give way."""

    told: str | None = None
    newest: Made | None = None


NOTHING = Heard()


def decide(project: Project, event: Event) -> Push | Deleted | Ignored:
    """Return what an event asks for by itself: the push to run, the ref that is gone, or why nothing is to be done."""
    if isinstance(event, Ping):
        return Ignored(code="ping", sentence=f"{project.name} is connected: pushes to it start runs")
    if isinstance(event, PullRequest):
        event = _branch_of(event)
    if isinstance(event, Ignored):
        return event
    if not event.ref.startswith((HEADS, TAGS)):
        return Ignored(code="ignored_event", sentence=f"nothing to do: {event.ref} is neither a branch nor a tag")
    return _decide_push(project, event)


def _decide_push(project: Project, event: Push) -> Push | Deleted | Ignored:
    if is_zero(event.after):
        return Deleted(ref=event.ref, sentence=f"{ref_name(event)} was deleted")
    if why := _refusal(project, event):
        return Ignored(code=BY_RULE, sentence=f"nothing to do: {why}")
    if asks_to_skip(event.message):
        return Ignored(code="skip_requested", sentence="nothing to do: the commit's message asks for no run")
    return event


def settle(push: Push, heard: Heard, same: Made | None, *, seen: bool, replayed: bool) -> Start | Made:
    """Return the run to start for a push, or the one that was made for it before.

    `same` is the first run of this very commit on this ref. `seen` says that we looked ourselves and the ref is there
    now; `replayed`, that the very same delivery came a moment ago under another name.
    """
    newest = heard.newest
    if newest is not None and newest.revision == push.after:
        same = newest
        if not newest.void:
            return newest
    if same is None:
        return Start(push=push)
    # A branch moved back to an earlier commit is news, although that commit has had its run: what serves is newer.
    known = heard.told or (newest.revision if newest else None)
    gone_and_back = heard.told is None and same.void
    if seen or gone_and_back or (known == push.before != push.after and not replayed):
        return Start(push=push, again=True)
    return same


def moved(event: Event, meaning: Push | Deleted | Ignored) -> str | None:
    """Return the ref that an event moved although nothing is to be done about it."""
    by_rule = isinstance(meaning, Ignored) and meaning.code in {BY_RULE, "skip_requested"}
    return event.ref if by_rule and isinstance(event, Push) else None


def comes_late(push: Push, heard: Heard) -> bool:
    """Tell whether a push is told of after the one that followed it."""
    newest = heard.newest
    return newest is not None and newest.before == push.after and heard.told not in {None, push.before, push.after}


def _refusal(project: Project, push: Push) -> str:
    """Return why the default branch's rules want no run of such a branch or tag; empty if they do.

    The default branch itself always gets as far as its file: nothing else could ever change rules that leave it out.
    """
    if push.branch == project.default_branch:
        return ""
    part, key, kind = ("tag", "patterns", "tags") if push.tag is not None else ("push", "branches", "branches")
    patterns = ((project.rules or {}).get(part) or {}).get(key)
    if patterns is None or matches_any(patterns, push.branch or push.tag or ""):
        return ""
    which = f"only for {kind} {' or '.join(patterns)}" if patterns else f"for no {kind}"
    return f"runs start {which}, and this is {ref_name(push)}"


def _branch_of(asked: PullRequest) -> Push | Ignored:
    """Return the push that a pull request's branch stands for: the same commit is the same run, whoever tells of it."""
    what = f"pull request {asked.number}"
    if asked.action is Action.CLOSED:
        return Ignored(code="pull_request_closed", sentence=f"nothing to do: {what} was closed")
    if asked.fork:
        sentence = f"nothing to do: {what} comes from a fork, and nobody here has vouched for its code"
        return Ignored(code="ignored_fork", sentence=sentence)
    ref, nothing = f"{HEADS}{asked.branch}", "0" * len(asked.after)
    return Push(ref=ref, before=nothing, after=asked.after, message="", author=asked.author)


def asks_to_skip(message: str) -> bool:
    """Tell whether a commit's message carries one of the marks that ask for no run."""
    return bool(SKIP_MARK.search(message) or SKIP_TRAILER.search(message))


def speaks_of(project: Project, repository: str) -> bool:
    """Tell whether `repository`, a name such as `acme/shop` or an address, can mean this project's repository.

    A project in a local directory has no owner to compare, so its directory's name or its own must be the last part.
    """
    said = _parts(repository)
    if not said:
        return False
    known = _parts(project.url)
    if repository == project.name or said[-2:] == known[-2:]:
        return True
    return local_path(project.url) is not None and said[-1] in {known[-1], project.name}


def ref_name(push: Push) -> str:
    """Return the branch's or tag's name as people say it."""
    return push.branch or push.tag or push.ref


def _parts(address: str) -> list[str]:
    """Return the parts of a repository's path, in lower case, of a URL, an scp-like address or a bare name."""
    path = address.partition("://")[2].partition("/")[2] if "://" in address else address.rpartition(":")[2]
    parts = [part for part in path.lower().split("/") if part]
    return [*parts[:-1], parts[-1].removesuffix(".git")] if parts else []
