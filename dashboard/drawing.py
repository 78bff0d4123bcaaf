"""What the pages need worked out before they are drawn. Pure; `now` is passed in."""

from datetime import datetime
from typing import Any

from markupsafe import Markup

from dashboard.ansi import paint
from dashboard.words import parsed
from pipeline.progress import left_of

View = dict[str, Any]

BROKEN = ("failed", "error")
WIDTH = 1_000
THINNEST = 6
TAIL = 20
BAR_HEIGHT = 40
BAR_PITCH = 12


def chosen(run: View, name: str | None) -> View | None:
    """Return the stage whose log is shown: the one asked for, what broke, what runs, or what ran last."""
    stages: list[View] = run["stages"]
    for wanted in (
        lambda one: one["name"] == name,
        _broke,
        lambda one: one["state"] == "running",
    ):
        found = next((one for one in stages if wanted(one)), None)
        if found is not None:
            return found
    return next((one for one in reversed(stages) if one["attempt"]), None)


def failure(run: View) -> View | None:
    """Return the stage that broke the run."""
    return next((one for one in run["stages"] if _broke(one)), None)


def let_pass(run: View) -> list[View]:
    """Return the stages that failed, and may."""
    return [one for one in run["stages"] if one["state"] in BROKEN and one["allow_failure"]]


def left_out(run: View) -> list[View]:
    """Return the stages that were skipped for a reason of their own."""
    return [one for one in run["stages"] if one["state"] == "skipped" and one["reason"]]


def tail_of(run: View) -> list[Markup]:
    """Return the last lines of what broke the run."""
    broken = failure(run)
    return list(paint(str(line) for line in broken["tail"][-TAIL:])) if broken else []


def waterfall(run: View, now: datetime) -> list[View]:
    """Return each stage with its place on the run's time axis, in thousandths."""
    start = parsed(run["created_at"]) or now
    end = parsed(run["finished_at"]) or now
    whole = max(0.1, (end - start).total_seconds())

    def place(time: str | None) -> int:
        then = parsed(time) or now
        return min(WIDTH, max(0, round((then - start).total_seconds() / whole * WIDTH)))

    return [stage | {"bar": _bar(stage, place)} for stage in run["stages"]]


def _broke(stage: View) -> bool:
    return stage["state"] in BROKEN and not stage["allow_failure"]


def _bar(stage: View, place: Any) -> tuple[int, int] | None:
    if stage["started_at"] is None:
        return None
    left, right = place(stage["started_at"]), place(stage["finished_at"])
    width = max(THINNEST, right - left)
    return min(left, WIDTH - width), width


def bars(runs: list[View], now: datetime) -> list[View]:
    """Return runs, oldest first, with the height that says how long each took."""
    times = [_seconds(run, now) for run in runs]
    longest = max(times, default=0.0) or 1.0
    heights = [max(6, round(BAR_HEIGHT * (seconds / longest) ** 0.5)) for seconds in times]
    drawn = zip(reversed(runs), reversed(heights), strict=True)
    return [{"run": run, "x": BAR_PITCH * place, "height": height} for place, (run, height) in enumerate(drawn)]


def time_left(run: View, usual: float | None, now: datetime) -> float | None:
    """Return how long a run will still take if it is like those before it; None if that cannot be told."""
    planned = left_of(run, now) if len(run["stages"]) > 1 else None
    if planned is not None:
        return planned or None
    if usual is None or run["started_at"] is None:
        return None
    left = usual - _seconds(run, now)
    return left if left > 0 else None


def threads(messages: list[View]) -> dict[str, list[View]]:
    """Return messages by channel, oldest first, each with its replies."""
    oldest_first = sorted(messages, key=lambda one: float(one["ts"]))
    channels: dict[str, list[View]] = {}
    heads = {one["ts"]: one | {"replies": []} for one in oldest_first if not one["thread_ts"]}
    for one in oldest_first:
        head = heads.get(one["thread_ts"])
        if head is not None:
            head["replies"].append(one)
        else:
            channels.setdefault(one["channel"], []).append(heads.get(one["ts"]) or one | {"replies": []})
    return channels


def _seconds(run: View, now: datetime) -> float:
    start = parsed(run["started_at"])
    last = max(0.0, ((parsed(run["finished_at"]) or now) - start).total_seconds()) if start else 0.0
    return float(run.get("earlier_seconds", 0.0) + last)
