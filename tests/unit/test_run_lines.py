"""A run as lines on a terminal."""

from typing import Any

from commands.run_lines import told

STAGE: dict[str, Any] = {"state": "passed", "started_at": None, "finished_at": None, "reason": "", "tail": []}
RUN: dict[str, Any] = {
    "id": "r1",
    "state": "passed",
    "project": "shop",
    "revision": "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
    "branch": "main",
    "message": "",
    "trigger": "push",
    "started_at": None,
    "finished_at": None,
    "url": "http://slipway.localhost:8080/runs/r1",
}


def test_a_stage_with_a_title_is_called_by_it_with_its_name() -> None:
    stages = [STAGE | {"name": "build"}, STAGE | {"name": "unit", "title": "Fast tests, by the hundred"}]
    lines = list(told(RUN | {"stages": stages}))
    assert [line.rstrip() for line in lines[2:]] == [
        "  ✓ build                             passed",
        "  ✓ Fast tests, by the hundred (unit) passed",
    ]
