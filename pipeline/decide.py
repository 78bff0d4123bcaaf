"""What an event means for a project: a run to start, or a reason to do nothing."""

import re
from dataclasses import dataclass, replace

from pipeline import pull_requests
from pipeline.clone_url import local_path
from pipeline.globs import matches_any
from pipeline.project import Project
from pipeline.push import HEADS, TAGS, Action, Event, Ignored, Ping, PullRequest, Push, is_sha, is_zero

# The marks that git hosts agree on, as GitHub, GitLab, Woodpecker and Buildbot read them.
SKIP_MARK = re.compile(r"\[ *(?:skip *ci|ci *skip|no *ci|skip *actions|actions *skip) *\]", re.IGNORECASE)
SKIP_TRAILER = re.compile(r"^skip-checks: *true *$", re.IGNORECASE | re.MULTILINE)
# What a project's rules say besides its file's: whether builds are tagged in its repository, and how those tags look.
OWN_TAGS, OWN_TAG = "own_tags", re.compile(r"build-.+-[0-9]+")
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
        return _decide_request(project, event)
    if isinstance(event, Ignored):
        return event
    if not event.ref.startswith((HEADS, TAGS)):
        return Ignored(code="ignored_event", sentence=f"nothing to do: {event.ref} is neither a branch nor a tag")
    return _decide_push(project, event)


def _decide_push(project: Project, event: Push) -> Push | Deleted | Ignored:
    if is_zero(event.after):
        return Deleted(ref=event.ref, sentence=f"{ref_name(event)} was deleted")
    if event.tag and OWN_TAG.fullmatch(event.tag) and (project.rules or {}).get(OWN_TAGS):
        return Ignored(code="own_tag", sentence=f"nothing to do: {event.tag} is a tag that Slipway gives")
    if why := _refusal(project, event):
        return Ignored(code=BY_RULE, sentence=f"nothing to do: {why}")
    if _heeds_skips(project) and asks_to_skip(event.message):
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
    by_rule = isinstance(meaning, Ignored) and meaning.code in {BY_RULE, "skip_requested", "own_tag"}
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


def _decide_request(project: Project, asked: PullRequest) -> Push | Deleted | Ignored:
    """Decide about a pull request: the same commit of our own branch is the same run, whoever tells of it."""
    rule = pull_requests.wanted(project.rules, asked.base)
    if asked.action is Action.CLOSED:
        sentence = f"pull request {asked.number} was closed"
        if asked.fork and rule and (ref := pull_requests.ref_of(project.forge, asked.number)):
            return Deleted(ref=ref, sentence=sentence)
        return Ignored(code="pull_request_closed", sentence=f"nothing to do: {sentence}")
    if asked.fork:
        return _decide_fork(project, asked) if rule else _fork(asked, "and nobody here has vouched for its code")
    nothing = "0" * len(asked.after)
    push = Push(ref=f"{HEADS}{asked.branch}", before=nothing, after=asked.after, message="", author=asked.author)
    meaning = _decide_push(project, push)
    # A branch whose pushes start no run starts one all the same where its pull request does.
    by_request = rule and isinstance(meaning, Ignored) and meaning.code == BY_RULE
    return replace(push, pull_request=asked.number) if by_request else meaning


def _decide_fork(project: Project, asked: PullRequest) -> Push | Ignored:
    """Return the push of a stranger's commit, which waits for somebody to approve it."""
    ref = pull_requests.ref_of(project.forge, asked.number)
    if ref is None:
        return _fork(asked, f"whose commits {project.forge.value} keeps in no ref of this repository")
    if not is_sha(asked.after):
        return _fork(asked, "and its host did not say of which commit")
    if _heeds_skips(project) and asks_to_skip(asked.title):
        return Ignored(code="skip_requested", sentence="nothing to do: the pull request's title asks for no run")
    push = Push(ref=ref, before="0" * len(asked.after), after=asked.after, message=asked.title, author=asked.author)
    return replace(push, pull_request=asked.number)


def _fork(asked: PullRequest, why: str) -> Ignored:
    sentence = f"nothing to do: pull request {asked.number} comes from a fork, {why}"
    return Ignored(code="ignored_fork", sentence=sentence)


def _heeds_skips(project: Project) -> bool:
    return (project.rules or {}).get("skip", True) is not False


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
    number = pull_requests.number_of(push.ref)
    return push.branch or push.tag or (f"pull request {number}" if number else push.ref)


def _parts(address: str) -> list[str]:
    """Return the parts of a repository's path, in lower case, of a URL, an scp-like address or a bare name."""
    path = address.partition("://")[2].partition("/")[2] if "://" in address else address.rpartition(":")[2]
    parts = [part for part in path.lower().split("/") if part]
    return [*parts[:-1], parts[-1].removesuffix(".git")] if parts else []
