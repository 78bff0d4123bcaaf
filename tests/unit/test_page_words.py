"""How pages say times, and what they work out before drawing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard import drawing, words

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


def stage(name: str, state: str, **values: Any) -> dict[str, Any]:
    begun = None if state in {"queued", "skipped"} else at(10)
    return {
        "name": name,
        "state": state,
        "attempt": int(bool(begun)),
        "allow_failure": False,
        "started_at": begun,
        "finished_at": None,
    } | values


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-3, "just now"), (4, "just now"), (59, "59 s ago"), (60, "1 min ago"), (7_300, "2 h ago"), (200_000, "2 d ago")],
)
def test_how_long_ago(seconds: float, said: str) -> None:
    assert words.ago(at(seconds), NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, ""), (0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min")],
)
def test_how_long(seconds: float | None, said: str) -> None:
    assert words.length(seconds) == said


def test_a_revision_has_the_same_colour_everywhere() -> None:
    assert words.hue("a" * 40) == words.hue("a" * 40)
    assert len({words.hue(f"{n:040x}") for n in range(200)}) == words.HUES


def test_the_log_shown_is_of_what_broke_then_of_what_runs_then_of_what_ran_last() -> None:
    passed, failed, running, queued = (stage(word, word) for word in ("passed", "failed", "running", "queued"))

    def name(*stages: dict[str, Any], asked: str | None = None) -> str | None:
        found = drawing.chosen({"stages": list(stages)}, asked)
        return found["name"] if found else None

    assert name(passed, running, failed) == "failed"
    assert name(passed, running, failed | {"allow_failure": True}) == "running", "it may fail"
    assert name(passed, running, queued) == "running"
    assert name(passed, queued) == "passed"
    assert name(passed, failed, asked="passed") == "passed"
    assert name(passed, asked="nothing") == "passed"
    assert name(queued) is None


def test_stages_lie_on_one_time_axis() -> None:
    run = {"created_at": at(20), "finished_at": None}
    stages = [stage("a", "passed", started_at=at(20), finished_at=at(10)), stage("b", "running"), stage("c", "queued")]
    bars = [row["bar"] for row in drawing.waterfall(run | {"stages": stages}, NOW)]
    assert bars == [(0, 500), (500, 500), None]


def test_the_thinnest_bar_is_still_seen_and_none_leaves_the_axis() -> None:
    run = {"created_at": at(1_000), "finished_at": at(0)}
    row = drawing.waterfall(run | {"stages": [stage("a", "passed", started_at=at(0.1), finished_at=at(0))]}, NOW)[0]
    assert row["bar"] == (drawing.WIDTH - drawing.THINNEST, drawing.THINNEST)


def test_time_left_is_not_told_when_it_takes_longer_than_usual() -> None:
    run: dict[str, Any] = {"started_at": at(10), "finished_at": None, "stages": []}
    assert drawing.time_left(run, 30.0, NOW) == 20.0
    assert drawing.time_left(run, 9.0, NOW) is None
    assert drawing.time_left(run, None, NOW) is None


def test_replies_are_drawn_under_their_message_and_orphans_alone() -> None:
    def message(ts: str, thread: str | None = None) -> dict[str, Any]:
        return {"ts": ts, "thread_ts": thread, "channel": "#deploys"}

    newest_first = [message("4.0", "9.0"), message("3.0", "1.0"), message("2.0"), message("1.0")]
    drawn = drawing.threads(newest_first)["#deploys"]
    assert [(one["ts"], [reply["ts"] for reply in one["replies"]]) for one in drawn] == [
        ("1.0", ["3.0"]),
        ("2.0", []),
        ("4.0", []),
    ]
