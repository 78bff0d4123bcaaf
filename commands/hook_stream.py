"""A run told line by line as its stages end: what a person sees under `git push`."""

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from commands.hook_file import HookFile

PAUSE = 0.15
LONGEST_SECONDS = 600.0
LONGEST_SILENCE = 15.0
TIMEOUT = 10
TAIL = 15
LONGEST_TITLE = 60
ENDED = frozenset({"passed", "failed", "error", "cancelled", "superseded", "skipped"})
SIGNS = {"passed": "✓", "flaky": "~", "failed": "✗", "error": "⚠", "failed (allowed)": "!", "error (allowed)": "!"}
BROKEN = frozenset({"failed", "error"})
UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
ADDRESS = re.compile(r"https?://\S+")

View = dict[str, Any]
Say = Callable[[str], None]


class TokenNeeded(Exception):
    """The server lets nobody read without its token, which a repository's hook does not have."""


def follow(file: HookFile, run: str, say: Say, *, seconds: float = LONGEST_SECONDS) -> int:
    """Say what becomes of a run until it ends or `seconds` have passed; return 0 unless it ended badly."""
    told: set[str] = set()
    view: View = {}
    for view in _views(file, run, seconds):
        if not told:
            say(headline(view))
            told.add("")
        for stage in view["stages"]:
            if stage["state"] in ENDED and stage["name"] not in told:
                told.add(stage["name"])
                for line in stage_lines(stage, width=_width(view)):
                    say(line)
        if view["state"] in ENDED:
            say(ending(view))
            return 1 if view["state"] in BROKEN else 0
    where = view.get("url") or f"http://{file.host}:{file.port}/runs/{run}"
    say(f"{file.project} {run} goes on without being shown here: slipway run watch {run}, or {where}")
    return 0


def headline(view: View) -> str:
    """Return a run's first line: what it is of, and where it can be seen."""
    subject = clean(view["message"].strip().partition("\n")[0])
    quoted = f"“{subject[:50]}{'…' if len(subject) > 50 else ''}”" if subject else clean(view["ref"])
    what = f"{view['project']} {view['id']}  {view['revision'][:7]} {quoted}"
    return f"{what:<60}  {view['url']}"


def stage_lines(stage: View, *, width: int) -> list[str]:
    """Return what is said of a stage that has ended: a line, and its last words if it broke."""
    if stage["kind"] == "source" and stage["state"] == "passed":
        return []
    word = _word(stage)
    marked = f"{word}: " if word not in {stage["state"], "flaky"} else ""
    said = marked + clean((stage.get("reason") or "").partition("\n")[0])
    took = _took(stage)
    line = f"  {_called(stage):<{width}} {SIGNS.get(word, '–')}  {said:<30} {took}".rstrip()
    tail = stage.get("tail") or [] if stage["state"] in BROKEN else []
    return [line, *(f"      {clean(row)}" for row in tail[-TAIL:])]


def ending(view: View) -> str:
    """Return a run's last line: how it ended, and what serves because of it or why not."""
    name = f"{view['project']} {view['id']}"
    if view["state"] == "passed":
        served = [stage for stage in view["stages"] if stage["kind"] == "deploy" and stage["state"] == "passed"]
        urls = ADDRESS.findall(clean(served[-1].get("reason") or "")) if served else []
        how = "passed on retry (flaky)" if view.get("flaky") else "passed"
        return f"{name} {how} after {_took(view)}" + (f": {' '.join(urls)}" if urls else "")
    stopped = [stage for stage in view["stages"] if stage["state"] == view["state"] == _word(stage)]
    # What was cancelled before it could begin is not where it was cancelled.
    begun = [_called(stage) for stage in stopped if stage.get("started_at")]
    where = f" in {begun[0]}" if begun else ""
    why = clean((view.get("reason") or "").partition("\n")[0])
    return f"{name}: {view['state']}{where}{f': {why}' if why else ''}  {view['url']}"


def clean(text: str) -> str:
    """Return a text without what a terminal would obey."""
    return UNPRINTABLE.sub("", text)


def _views(file: HookFile, run: str, seconds: float) -> Iterator[View]:
    """Yield the run as it changes; end when time is up or the server has been silent for long."""
    connection = http.client.HTTPConnection(file.host, file.port, timeout=TIMEOUT)
    end = time.monotonic() + seconds
    heard = time.monotonic()
    try:
        while time.monotonic() < end:
            view = _look(connection, f"/api/v1/runs/{run}")
            if view is not None:
                heard = time.monotonic()
                yield view
            elif time.monotonic() - heard > LONGEST_SILENCE:
                return
            time.sleep(PAUSE)
    except TokenNeeded:
        return
    finally:
        connection.close()


def _look(connection: http.client.HTTPConnection, path: str) -> View | None:
    """Return the run, or None if it cannot be read just now. Raises TokenNeeded."""
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        if response.status == HTTPStatus.UNAUTHORIZED:
            raise TokenNeeded
        return json.loads(body) if response.status == HTTPStatus.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        connection.close()
        return None


def _called(stage: View) -> str:
    """Return a stage's title with its name, if it has one."""
    title = clean((stage.get("title") or "").strip().partition("\n")[0])[:LONGEST_TITLE]
    return f"{title} ({stage['name']})" if title and title != stage["name"] else str(stage["name"])


def _word(stage: View) -> str:
    """Return a stage's state, what passed only on retry and what failed and may by their own words."""
    if stage.get("allow_failure") and stage["state"] in BROKEN:
        return f"{stage['state']} (allowed)"
    return "flaky" if stage.get("flaky") and stage["state"] == "passed" else str(stage["state"])


def _width(view: View) -> int:
    return max(12, *(len(_called(stage)) for stage in view["stages"])) if view["stages"] else 12


def _took(thing: View) -> str:
    """Return how long a stage or run took, in words."""
    began, ended = (_seconds(thing.get(name) or "") for name in ("started_at", "finished_at"))
    if began is None or ended is None:
        return ""
    whole = max(0, round(ended - began + thing.get("earlier_seconds", 0.0)))
    return f"{whole // 60} m {whole % 60} s" if whole >= 60 else f"{whole} s"


def _seconds(text: str) -> float | None:
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
