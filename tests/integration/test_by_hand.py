"""Runs that people start: some stages of a ref, and what failed done again in the same run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store import schema
from tests import factories as make
from tests.integration.test_control import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    database = make.database(tmp_path)
    yield Shop(database)
    database.engine.dispose()


def broken(shop: Shop, **values: Any) -> int:
    """Make a run whose stage unit failed, and return its number."""
    with shop.database.begin() as session:
        project = session.get_one(schema.ProjectRow, shop.project)
        stages: list[dict[str, Any]] = [
            {"name": "source"},
            {"name": "build", "needs": ["source"]},
            {"name": "unit", "needs": ["build"], "state": "failed", "tries": 1, "reason": "exited with 1"},
            {"name": "lint", "needs": ["build"]},
            {"name": "ci", "needs": ["unit"], "state": "skipped", "code": "", "reason": "not started: unit failed"},
            {"name": "live", "state": "skipped", "code": "other_branch", "reason": "deploys only from main"},
        ]
        return make.run(session, project, stages, **{"state": "failed", "reason": "exited with 1", **values}).id


def states(shop: Shop, run: int) -> dict[str, str]:
    return {row.name: row.state for row in shop.rows(schema.StageRow) if row.run_id == run}


def test_some_stages_of_a_ref_are_run_with_the_reason_for_it(shop: Shop) -> None:
    new = shop.push("new")
    spoken = shop.say("build shop@main ci build: flaky host")
    row = shop.rows(schema.RunRow)[-1]
    assert (row.revision, row.wanted, row.reason) == (new, ["ci", "build"], "")
    assert (row.asked_by, row.asked_reason) == ("ana@example.com", "flaky host")
    said = shop.say(f"status r{row.id}").reply.text.splitlines()
    assert "asked for by ana@example.com: flaky host · only ci, build" in said
    assert spoken.reply.text.endswith(f"is built again as r{row.id}, only ci, build.")


def test_flaky_and_allowed_stages_are_called_so(shop: Shop) -> None:
    with shop.database.begin() as session:
        stages: list[dict[str, Any]] = [
            {"name": "unit", "flaky": True},
            {"name": "lint", "state": "failed", "allow_failure": True},
        ]
        run = make.run(session, session.get_one(schema.ProjectRow, shop.project), stages).id
    assert "unit flaky, lint failed (allowed)" in shop.say(f"status r{run}").reply.text


def test_a_stage_that_the_commit_has_not_is_named_with_what_may_be_meant(shop: Shop) -> None:
    shop.push("new")
    spoken = shop.say("build shop@main biuld")
    assert spoken.reply.code == "unknown_stage"
    assert "No stage `biuld`. Did you mean `build`?" in spoken.reply.text
    assert len(shop.rows(schema.RunRow)) == 1


def test_a_run_of_some_stages_does_not_stand_for_one_of_all(shop: Shop) -> None:
    shop.push("new")
    shop.say("build shop build")
    assert shop.say("build shop build").reply.code == "already_started"
    assert shop.say("build shop").reply.runs == (3,)
    assert shop.say("build shop build").reply.code == "already_started"


def test_what_failed_is_done_again_in_the_same_run_with_what_was_skipped_behind_it(shop: Shop) -> None:
    run = broken(shop)
    spoken = shop.say(f"retry r{run} because flaky")
    assert spoken.reply.runs == (run,)
    assert spoken.reply.text.startswith(f"🔁 @ana runs unit, ci of r{run}")
    row = shop.rows(schema.RunRow)[0]
    assert (row.state, row.reason, row.finished_at) == ("running", "", None)
    assert (row.asked_by, row.asked_reason) == ("ana@example.com", "flaky")
    assert row.earlier_seconds == pytest.approx(9.8)
    expected = {"source": "passed", "build": "passed", "unit": "queued", "lint": "passed", "ci": "queued"}
    assert states(shop, run) == expected | {"live": "skipped"}
    queued = [job.kind for job in shop.rows(schema.JobRow)]
    assert sorted(queued) == ["message", "stage"]


def test_one_stage_is_done_again_whatever_became_of_it(shop: Shop) -> None:
    run = broken(shop)
    shop.say(f"retry r{run} lint")
    assert states(shop, run) | {"lint": "queued"} == states(shop, run)
    assert states(shop, run)["unit"] == "failed"


@pytest.mark.parametrize(
    ("values", "line", "code", "says"),
    [
        ({}, "retry r1 untit", "unknown_stage", "Did you mean `unit`?"),
        ({"state": "superseded", "superseded_by": 9}, "retry r1 unit", "superseded", "gave way to r9"),
        ({"state": "running"}, "retry r1 unit", "running", "r1 is running"),
        ({}, "retry r1 ci", "stands_behind", "ci stands behind unit, which failed; retry unit."),
        ({}, "retry r1 live", "not_for_this_run", "live is not for r1: deploys only from main."),
    ],
)
def test_a_stage_that_cannot_be_done_again_is_refused_with_the_reason(
    shop: Shop, values: dict[str, Any], line: str, code: str, says: str
) -> None:
    run = broken(shop, **values)
    before = states(shop, run)
    spoken = shop.say(line)
    assert spoken.reply.code == code and says in spoken.reply.text
    assert states(shop, run) == before and shop.rows(schema.JobRow) == []
