"""What an event means for a project: a run to start, or a reason to do nothing."""

import re
from dataclasses import dataclass

from pipeline.clone_url import local_path
from pipeline.names import run_name
from pipeline.project import Project
from pipeline.push import HEADS, TAGS, Event, Ignored, Ping, Push, is_zero

# The marks that git hosts agree on, as GitHub, GitLab, Woodpecker and Buildbot read them.
SKIP_MARK = re.compile(r"\[ *(?:skip *ci|ci *skip|no *ci|skip *actions|actions *skip) *\]", re.IGNORECASE)
SKIP_TRAILER = re.compile(r"^skip-checks: *true *$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """A run to start; `again` names it apart if the commit has had its run and the ref was moved back to it since."""

    push: Push
    again: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The newest run of a ref, and the commit it is of."""

    run_id: int
    revision: str


def decide(project: Project, event: Event, head: Head | None = None) -> Start | Ignored:
    """Return what to do about an event, where `head` is the newest run of its ref."""
    if isinstance(event, Ping):
        return Ignored(code="ping", sentence=f"{project.name} is connected: pushes to it start runs")
    if isinstance(event, Ignored):
        return event
    if not event.ref.startswith((HEADS, TAGS)):
        return Ignored(code="ignored_event", sentence=f"nothing to do: {event.ref} is neither a branch nor a tag")
    if is_zero(event.after):
        return Ignored(code="ref_deleted", sentence=f"nothing to do: {ref_name(event)} was deleted")
    if asks_to_skip(event.message):
        return Ignored(code="skip_requested", sentence="nothing to do: the commit's message asks for no run")
    # A branch forced back to an earlier commit is news, although that commit has had its run: what serves is newer.
    moved = head is not None and head.revision == event.before != event.after
    return Start(push=event, again=run_name(head.run_id) if head and moved else "")


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
