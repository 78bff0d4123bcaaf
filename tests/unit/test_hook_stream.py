"""A run told line by line, and what the hook knows of its push."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from commands.hook_file import HookFile
from commands.hook_git import Change, clear_git_variables, read_changes
from commands.hook_stream import clean, ending, headline, stage_lines

RUN: dict[str, Any] = {
    "id": "r1",
    "project": "shop",
    "ref": "refs/heads/main",
    "revision": "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
    "message": "A shop that counts\n\nAnd more.",
    "state": "passed",
    "reason": "",
    "url": "http://slipway.localhost:8080/runs/r1",
    "started_at": "2026-11-21T10:00:00.000Z",
    "finished_at": "2026-11-21T10:01:05.000Z",
    "stages": [],
}


def stage(name: str = "build", kind: str = "build", state: str = "passed", **others: Any) -> dict[str, Any]:
    times = {"started_at": "2026-11-21T10:00:00.000Z", "finished_at": "2026-11-21T10:00:04.200Z"}
    return {"name": name, "kind": kind, "state": state, "reason": "", **times, **others}


def test_the_first_line_names_run_commit_and_page() -> None:
    line = headline(RUN)
    assert line.startswith("shop r1  1a2b3c4 “A shop that counts”  ")
    assert line.endswith("  http://slipway.localhost:8080/runs/r1")
    assert "refs/heads/main" in headline(RUN | {"message": ""})
    assert "…”" in headline(RUN | {"message": "x" * 80})


def test_a_stage_is_one_line_with_its_sign_and_time() -> None:
    (line,) = stage_lines(stage(reason="web, api, tests"), width=12)
    assert line.split() == ["build", "✓", "web,", "api,", "tests", "4", "s"]
    assert stage_lines(stage("source", "source"), width=12) == []
    assert stage_lines(stage(state="skipped", reason="pinned"), width=12)[0].split()[:3] == ["build", "–", "pinned"]


def test_a_stage_with_a_title_is_called_by_it_with_its_name() -> None:
    assert stage_lines(stage("unit", title="Fast tests"), width=12)[0].startswith("  Fast tests (unit) ✓")
    broken = RUN | {"state": "failed", "stages": [stage("unit", state="failed", title="Fast tests")]}
    assert ending(broken).startswith("shop r1: failed in Fast tests (unit)")


def test_a_broken_stage_shows_its_last_lines_without_what_a_terminal_would_obey() -> None:
    tail = [f"line {number}" for number in range(40)] + ["\x1b[31mred\x1b[0m \x1b]0;title\x07"]
    first, *rest = stage_lines(stage(state="failed", reason="exit code 1", tail=tail), width=12)
    assert first.split()[:2] == ["build", "✗"]
    assert len(rest) == 15
    assert rest[-1].strip() == "red ]0;title"
    assert stage_lines(stage("source", "source", "failed"), width=12) != []


def test_the_last_line_says_what_serves_or_why_not() -> None:
    served = stage("staging", "deploy", reason="d2 · http://web.staging.shop.slipway.localhost:8080")
    passed = ending(RUN | {"stages": [stage("ci", "deploy", reason="d1 · http://ci"), served]})
    assert passed == "shop r1 passed after 1 m 5 s: http://web.staging.shop.slipway.localhost:8080"
    failed = ending(RUN | {"state": "failed", "reason": "2 of 118", "stages": [stage("unit", "test", "failed")]})
    assert failed == "shop r1: failed in unit: 2 of 118  http://slipway.localhost:8080/runs/r1"
    assert ending(RUN | {"state": "superseded"}).startswith("shop r1: superseded")


def test_a_flaky_pass_and_an_allowed_failure_have_signs_of_their_own() -> None:
    (flaky,) = stage_lines(stage("unit", "test", flaky=True, reason="passed on retry (flaky)"), width=12)
    (allowed,) = stage_lines(stage("lint", "test", "failed", allow_failure=True, reason="2 of 9"), width=12)
    assert flaky.split()[:2] == ["unit", "~"] and "(flaky)" in flaky
    assert allowed.split()[:2] == ["lint", "!"] and "failed (allowed): 2 of 9" in allowed
    assert ending(RUN | {"flaky": True}) == "shop r1 passed on retry (flaky) after 1 m 5 s"


def test_the_stage_that_was_cancelled_is_named_and_not_one_that_failed_and_may() -> None:
    lint = stage("lint", "test", "failed", allow_failure=True)
    later = stage("ci", "deploy", "cancelled", started_at=None)
    told = ending(RUN | {"state": "cancelled", "stages": [lint, later, stage("unit", "test", "cancelled")]})
    assert told.startswith("shop r1: cancelled in unit")


def test_words_keep_their_letters_and_lose_their_control_characters() -> None:
    assert clean("tab\tñ “x”\x00\x1b[2J\x9b") == "tab\tñ “x”"


def test_gits_lines_become_changes_whatever_the_ref_is_called() -> None:
    lines = io.BytesIO(b"a b refs/heads/main\n" + b"c d refs/heads/\xff x\n")
    assert [(one.before, one.after, one.ref) for one in read_changes(lines)] == [
        ("a", "b", "refs/heads/main"),
        ("c", "d", "refs/heads/\ufffd x"),
    ]
    assert read_changes(io.BytesIO(b"")) == []


def test_gits_variables_are_forgotten_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_QUARANTINE_PATH", "/elsewhere")
    monkeypatch.setenv("DIGIT_X", "stays")
    clear_git_variables()
    assert "DIGIT_X" in os.environ
    assert not [name for name in os.environ if name.startswith("GIT_")]


def test_the_hooks_file_takes_the_port_that_up_has_chosen(tmp_path: Path) -> None:
    file = HookFile(project="shop", secret="whsec_eA==", host="127.0.0.1", port=0, home=str(tmp_path))
    (tmp_path / "slipway.json").write_bytes(file.to_json())
    assert HookFile.read(tmp_path / "slipway.json") == file
    (tmp_path / "run").mkdir()
    for text, port in (("junk", 0), ("[]", 0), ("{}", 0), (json.dumps({"web": {"port": 8071}}), 8071)):
        (tmp_path / "run" / "ports.json").write_text(text)
        assert HookFile.read(tmp_path / "slipway.json").port == port


def test_a_change_says_nothing_until_it_is_described() -> None:
    assert Change(ref="refs/heads/main", before="a", after="b").message == ""
