"""How long what is under way will still take, if it goes as it usually does. Pure; `now` is passed in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from pipeline.outcome import State

LAST = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Going:
    """A stage as far as time goes: `usual` is how long it takes, None if that is not known yet."""

    name: str
    needs: Sequence[str]
    ended: bool
    started_at: datetime | None
    usual: float | None


def usual(seconds: Iterable[float]) -> float | None:
    """Return how long something usually takes: the median of its last twenty times, the newest first."""
    last = list(seconds)[:LAST]
    return median(last) if last else None


def seconds_left(stages: Sequence[Going], now: datetime) -> float | None:
    """Return how long until the last stage ends; None if nothing is known of what is still to be done."""
    going = [one for one in stages if not one.ended]
    if not any(one.usual is not None for one in going):
        return None
    ends: dict[str, float] = {one.name: 0.0 for one in stages if one.ended}
    # Stages come in an order in which each stands behind those that it needs.
    for one in going:
        begins = max((ends.get(need, 0.0) for need in one.needs), default=0.0)
        ends[one.name] = begins + _rest(one, now)
    return max(ends.values(), default=0.0)


def left_of(run: Mapping[str, Any], now: datetime) -> float | None:
    """Return how long a run, as the API gives it, will still take; None if it is over or nothing is known."""
    if run["started_at"] is None or run["finished_at"] is not None:
        return None
    return seconds_left(
        [
            Going(
                name=one["name"],
                needs=one["needs"],
                ended=State(one["state"]).ended,
                started_at=datetime.fromisoformat(one["started_at"]) if one["started_at"] else None,
                usual=one.get("expected_seconds"),
            )
            for one in run["stages"]
        ],
        now,
    )


def in_words(seconds: float) -> str:
    """Return a time that is left as people say it: no better than it is known."""
    if seconds < 5:
        return "any moment now"
    if seconds < 55:
        return f"about {5 * max(1, round(seconds / 5))} s left"
    minutes = round(seconds / 60) or 1
    return f"about {minutes} min left" if minutes < 90 else f"about {round(minutes / 60)} h left"


def _rest(stage: Going, now: datetime) -> float:
    spent = (now - stage.started_at).total_seconds() if stage.started_at else 0.0
    return max(0.0, (stage.usual or 0.0) - spent)


def by_stage(times: Iterable[tuple[str, str, float]]) -> Mapping[tuple[str, str], float]:
    """Return how long each stage usually takes, by name and kind, from times with the newest first."""
    found: dict[tuple[str, str], list[float]] = {}
    for name, kind, seconds in times:
        found.setdefault((name, kind), []).append(seconds)
    return {key: known for key, every in found.items() if (known := usual(every)) is not None}
