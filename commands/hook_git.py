"""What a repository says of its own push, asked in its own post-receive hook."""

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ZERO = "0"
MOST_DESCRIBED = 20
LONGEST_MESSAGE = 4_000
TIMEOUT = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A ref that moved, and what its new commit says of itself."""

    ref: str
    before: str
    after: str
    message: str = ""
    author: str = ""


def clear_git_variables() -> None:
    """Forget what git has put into the environment of its hook, which would lead every git command astray."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]


def read_changes(lines: Iterable[bytes]) -> list[Change]:
    """Return what git writes to a post-receive hook: `old new ref` lines."""
    split = [line.decode("utf-8", "replace").rstrip("\n").split(" ", 2) for line in lines]
    return [Change(before=before, after=after, ref=ref) for before, after, ref in split]


def describe(repository: Path, changes: Sequence[Change]) -> list[Change]:
    """Return the changes with the commits' own words, for the first of them; the rest is learned when it is fetched."""
    return [_described(repository, one) if at < MOST_DESCRIBED else one for at, one in enumerate(changes)]


def tip(repository: Path, ref: str) -> Change | None:
    """Return a branch or tag as it is now, as if it were new; HEAD's branch without a name."""
    name = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    if not ref:
        name = _git(repository, "symbolic-ref", "--quiet", "HEAD").strip()
    for candidate in (name, f"refs/tags/{ref}"):
        revision = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", candidate).strip()
        if revision:
            return Change(ref=candidate, before=ZERO * len(revision), after=revision)
    return None


def _described(repository: Path, change: Change) -> Change:
    if not change.after.strip(ZERO):
        return change
    said = _git(repository, "log", "-1", "--no-show-signature", "--format=%an%x00%B", "--end-of-options", change.after)
    author, _, message = said.partition("\0")
    return replace(change, author=author, message=message.strip()[:LONGEST_MESSAGE])


def _git(repository: Path, *arguments: str) -> str:
    """Return what git says, or nothing: these are words for people, and a push does not depend on them."""
    argv = ["git", "-C", str(repository), *arguments]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
