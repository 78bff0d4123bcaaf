"""How the pages say things: times, lengths, sizes, colours of revisions. Pure; `now` is passed in."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from pipeline import telling
from pipeline.telling import BY_PEOPLE, asked_for

HUES = 12
SECONDS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def parsed(time: str | None) -> datetime | None:
    """Return a time of the API as a value."""
    return datetime.fromisoformat(time) if time else None


def ago(time: str | None, now: datetime) -> str:
    """Return how long ago something was, in words."""
    then = parsed(time)
    if then is None:
        return ""
    seconds = (now - then).total_seconds()
    if seconds < 5:
        return "just now"
    name, size = next((name, size) for name, size in SECONDS if seconds >= size)
    return f"{int(seconds // size)} {name} ago"


def absolute(time: str | None) -> str:
    """Return a time for the reader who wants it exactly."""
    then = parsed(time)
    return then.astimezone(UTC).strftime("%a %d %b %Y, %H:%M:%S UTC") if then else ""


def seconds_of(thing: dict[str, Any], now: datetime) -> float | None:
    """Return how long a run, a stage or a deployment took, or has taken so far; None if it has not begun."""
    began = parsed(thing.get("started_at") or (thing["created_at"] if "strategy" in thing else None))
    if began is None:
        return None
    last = max(0.0, ((parsed(thing.get("finished_at")) or now) - began).total_seconds())
    return float(thing.get("earlier_seconds", 0.0) + last)


def length(seconds: float | None) -> str:
    """Return a length of time as people say it."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60} min"


def size(count: int) -> str:
    """Return a number of bytes as people say it."""
    for unit, one in (("GB", 1e9), ("MB", 1e6)):
        if count >= one:
            return f"{count / one:.1f} {unit}"
    return f"{count // 1000} kB" if count >= 1000 else f"{count} bytes"


def hue(revision: str) -> str:
    """Return the class that gives a revision the same colour everywhere."""
    return f"hue{hashlib.sha256(revision.encode()).digest()[0] % HUES}"


def subject(message: str) -> str:
    """Return a commit message's first line."""
    return message.strip().partition("\n")[0][:200]


def person(author: str) -> str:
    """Return an author's name without the address."""
    return author.partition(" <")[0].partition("@")[0].strip() or author


def called(stage: dict[str, Any]) -> str:
    """Return what people read for a stage: its title with its name, if it has one."""
    return telling.called(stage["name"], stage.get("title") or "")


def shown(thing: dict[str, Any]) -> str:
    """Return the state of a run or a stage as it is drawn: what passed only on retry is never plain green.

    What failed and may is never plain red.
    """
    if thing.get("allow_failure") and thing["state"] in {"failed", "error"}:
        return "allowed"
    return "flaky" if thing.get("flaky") and thing["state"] == "passed" else str(thing["state"])


def asked(run: dict[str, Any]) -> str:
    """Return who asked for a run, why, and for what of it, or nothing."""
    again = run["trigger"] not in BY_PEOPLE
    return asked_for(by=run["asked_by"] or "", reason=run["asked_reason"], wanted=run["wanted"], again=again)
