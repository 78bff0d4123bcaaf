"""Telling: times, people and services as every mouth says them."""

from collections.abc import Iterable

from pipeline.deployment import Release
from pipeline.names import run_name, short

LONGEST_TITLE = 60
# What a run was begun by when somebody, or a schedule, asked for it by hand.
BY_PEOPLE = frozenset({"chat", "api", "schedule"})


def span(seconds: float) -> str:
    """Return a time as people say it: 0.4 s, 9 s, 1 m 2 s, 1 h 12 m, 2 d 3 h."""
    if seconds < 1:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    for size, unit, less, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // less
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def person(actor: str) -> str:
    """Return who acted: `ana@example.com` is @ana, `Ana Lima <ana@…>` is Ana Lima, `slack:T1:U1` is @U1."""
    if slack_id(actor):
        return f"@{slack_id(actor)}"
    name = actor.partition("<")[0].strip() or actor.strip("<> ")
    local, at, _domain = name.partition("@")
    return f"@{local}" if at and local else name


def slack_id(actor: str) -> str:
    """Return the user id of somebody known only by Slack (`slack:TEAM:USER`), or nothing."""
    source, _, rest = actor.partition(":")
    user = rest.partition(":")[2]
    return user if source == "slack" and user.isascii() and user.isalnum() else ""


def subject(message: str) -> str:
    """Return the first line of a commit's message that says anything."""
    return next((line.strip() for line in message.splitlines() if line.strip()), "")


def called(name: str, title: str) -> str:
    """Return what people read for a stage: its title, if it has one, with the name that commands take."""
    words = subject(title)[:LONGEST_TITLE]
    return f"{words} ({name})" if words and words != name else name


def because(reason: str) -> str:
    """Return a reason as the end of a sentence: `: “why”`, or nothing."""
    words = subject(reason)
    return f": “{words}”" if words else ""


def standing(state: str, *, flaky: bool = False, allowed: bool = False) -> str:
    """Return how a stage or a run stands in the one word for it: a flaky pass and an allowed failure are neither."""
    if allowed and state in {"failed", "error"}:
        return f"{state} (allowed)"
    return "flaky" if flaky and state == "passed" else str(state)


def asked_for(*, by: str, reason: str, wanted: Iterable[str] | None, again: bool = False) -> str:
    """Return who asked for a run, why, and for what of it, or nothing; `again`: it had begun by itself."""
    who = f"asked for {'again ' if again else ''}by {person(by) if slack_id(by) else by}" if by else ""
    said = ": ".join(part for part in (who, subject(reason)) if part)
    only = f"only {', '.join(wanted)}" if wanted is not None else ""
    return " · ".join(part for part in (said, only) if part)


def newer_run(revision: str, run_id: int) -> str:
    """Return why a run is superseded: by which run, of which revision."""
    return f"`{short(revision)}` is newer and is running as {run_name(run_id)}"


def services(releases: Iterable[Release]) -> str:
    """Return services with their revisions: *web* `1a2b3c4`, *api* `77aa001`."""
    return ", ".join(f"*{one.service}* `{short(one.revision)}`" for one in releases)
