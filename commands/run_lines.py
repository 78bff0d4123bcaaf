"""Runs and stages as lines on a terminal. Pure."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pipeline.names import short
from pipeline.outcome import State
from pipeline.progress import in_words, left_of
from pipeline.telling import BY_PEOPLE, asked_for, called, standing

SIGNS = {"passed": "✓", "failed": "✗", "error": "⚠", "running": "▸", "queued": "◌", "waiting": "◆"}
FLAKY, ALLOWED = "~", "!"
# What people wrote into a commit must not speak to the terminal.
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
TAIL = 20

View = dict[str, Any]


def ended(thing: View) -> bool:
    """Tell whether nothing more will happen to a run or a stage."""
    return State(thing["state"]).ended


def run_line(run: View) -> str:
    """Return a run in one line, with how long it will still take if that is known."""
    left = left_of(run, datetime.now(UTC))
    where = run["branch"] or run["tag"] or run["ref"]
    words = (f"{run['id']:<6}", f"{_sign(run)} {_word(run):<10}", f"{run['project']}", short(run["revision"]))
    time = f"{took(run)}{f', {in_words(left)}' if left else ''}"
    return clean(
        f"{'  '.join(words)}  {where}  {subject(run['message'])}  {time}".rstrip()
        + (f"  · {said}" if (said := asked(run)) else "")
    )


def asked(run: View) -> str:
    """Return who asked for a run, why, and for what of it, or nothing."""
    again = run["trigger"] not in BY_PEOPLE
    by, reason = run.get("asked_by") or "", run.get("asked_reason") or ""
    return asked_for(by=by, reason=reason, wanted=run.get("wanted"), again=again)


def stage_line(stage: View, width: int = 16) -> str:
    """Return a stage in one line."""
    return clean(
        f"  {_sign(stage)} {_called(stage):<{width}} {_word(stage):<16} {took(stage):>8}  {subject(stage['reason'])}"
    ).rstrip()


def told(run: View) -> Iterator[str]:
    """Yield a run, its stages, and the last lines of what broke it."""
    yield run_line(run)
    yield f"  {run['url']}{f'  build {number}' if (number := run.get('build_number')) else ''}"
    width = max((16, *(len(_called(stage)) for stage in run["stages"])))
    for stage in run["stages"]:
        yield stage_line(stage, width)
        for line in stage["tail"][-TAIL:] if stage["state"] in {"failed", "error"} else ():
            yield f"      {clean(str(line))}"


def clean(text: str) -> str:
    """Return a text without what a terminal would obey."""
    return CONTROLS.sub("", text)


def subject(text: str) -> str:
    """Return the first line of a text."""
    return (text or "").strip().partition("\n")[0][:120]


def took(thing: View) -> str:
    """Return how long a run or a stage took, or has taken so far."""
    if not thing["started_at"]:
        return ""
    end = datetime.fromisoformat(thing["finished_at"]) if thing["finished_at"] else datetime.now(UTC)
    seconds = max(0.0, (end - datetime.fromisoformat(thing["started_at"])).total_seconds())
    seconds += thing.get("earlier_seconds", 0.0)
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _called(stage: View) -> str:
    return called(stage["name"], stage.get("title") or "")


def _sign(thing: View) -> str:
    word = _word(thing)
    return FLAKY if word == "flaky" else ALLOWED if word.endswith("(allowed)") else SIGNS.get(thing["state"], "–")


def _word(thing: View) -> str:
    """Return the state; what passed only on retry is never said to have just passed, nor what may fail to be broken."""
    return standing(thing["state"], flaky=bool(thing.get("flaky")), allowed=bool(thing.get("allow_failure")))
