"""Test results and artifacts in both databases: what is new, known and flaky by what earlier runs said."""

from pathlib import Path

import pytest

from pipeline.errors import NotFound
from pipeline.judge import Past, judge
from pipeline.junit import Case, Verdict
from store import artifacts, tests
from store.schema import ProjectRow, RunRow
from store.session import Database
from tests import factories

FAILED = Verdict.FAILED


def where(run: RunRow, stage_id: int, *, attempt: int = 1, image: str = "sha256:a") -> tests.Where:
    return tests.Where(
        project_id=run.project_id, run_id=run.id, stage_id=stage_id, stage="unit", attempt=attempt, image=image
    )


def said(database: Database, at: tests.Where, **ends: Verdict) -> dict[str, tuple[bool, bool]]:
    """Record how tests ended in an attempt, and return for each whether it is new, whether flaky."""
    cases = [Case(suite="cart", name=name, state=state) for name, state in ends.items()]
    with database.begin() as session:
        judged = judge(cases, tests.past(session, at, cases))
        tests.record(session, at, judged)
    return {one.case.name: (one.new, one.flaky) for one in judged}


def made(
    database: Database, *, ref: str = "refs/heads/main", began: float = 60, commit: str = ""
) -> tuple[RunRow, int]:
    with database.begin() as session:
        known = session.get(ProjectRow, 1) or factories.project(session)
        run = factories.run(session, known, began=began, ref=ref, key=f"{ref}{began}", word=commit or f"{began}")
        return run, factories.stage(session, run, name="unit").id


def test_a_failure_is_new_unless_the_branch_or_the_default_branch_failed_so_before(database: Database) -> None:
    first, stage = made(database, began=300)
    said(database, where(first, stage), old=FAILED, fine=Verdict.PASSED)
    side, stage = made(database, ref="refs/heads/side", began=200)
    assert said(database, where(side, stage, image="sha256:b"), old=FAILED, fine=FAILED) == {
        "fine": (True, False),
        "old": (False, False),
    }
    later, stage = made(database, ref="refs/heads/side", began=100)
    again = said(database, where(later, stage, image="sha256:c"), old=FAILED, fine=FAILED, young=FAILED)
    assert {name: new for name, (new, _flaky) in again.items()} == {"fine": False, "old": False, "young": True}


def test_the_same_image_that_both_fails_and_passes_makes_a_test_flaky(database: Database) -> None:
    run, stage = made(database, began=300, commit="one")
    said(database, where(run, stage), moody=FAILED, fine=Verdict.PASSED)
    again = said(database, where(run, stage, attempt=2), moody=Verdict.PASSED, fine=Verdict.PASSED)
    assert again == {"moody": (False, True), "fine": (False, False)}
    other, stage = made(database, began=200, commit="one")
    assert said(database, where(other, stage), fine=FAILED)["fine"] == (True, True)
    third, stage = made(database, began=100, commit="one")
    assert said(database, where(third, stage, image="sha256:new"), moody=Verdict.PASSED)["moody"] == (False, False)


def test_another_commit_in_the_same_image_is_broken_or_mended_and_not_flaky(database: Database) -> None:
    first, stage = made(database, began=300)
    said(database, where(first, stage), it=Verdict.PASSED)
    broken, stage = made(database, began=200)
    assert said(database, where(broken, stage), it=FAILED) == {"it": (True, False)}
    mended, stage = made(database, began=100)
    assert said(database, where(mended, stage), it=Verdict.PASSED) == {"it": (False, False)}


def test_a_run_shows_its_last_attempt_the_failing_tests_first(database: Database) -> None:
    run, stage = made(database)
    said(database, where(run, stage), a=FAILED)
    said(database, where(run, stage, attempt=2), a=Verdict.PASSED, z=FAILED)
    said(database, where(run, stage, attempt=2), a=Verdict.PASSED, z=FAILED)
    with database.read() as session:
        shown = tests.of_run(session, run.id)
        past = tests.history(session, run.project_id, stage="unit", suite="cart", name="a")
    assert [(one.name, one.attempt, one.state) for one in shown] == [("z", 2, "failed"), ("a", 2, "passed")]
    assert [(one.attempt, one.state) for one in past] == [(2, "passed"), (1, "failed")]


def test_shards_of_an_attempt_are_kept_beside_each_other(database: Database) -> None:
    run, stage = made(database)
    with database.begin() as session:
        for shard in (1, 2):
            case = Case(suite="cart", name="same", state=Verdict.PASSED)
            tests.record(session, where(run, stage), judge([case], Past()), shard=shard)
    with database.read() as session:
        assert [one.shard for one in tests.of_run(session, run.id)] == [1, 2]


def test_artifacts_are_found_by_name_and_lie_by_digest(database: Database, tmp_path: Path) -> None:
    run, stage = made(database)
    kept = artifacts.Kept(path="../../shot.png", size=3, digest="ab" * 32)
    with database.begin() as session:
        artifacts.record(session, run.id, stage, [kept], at=factories.NOW)
        artifacts.record(session, run.id, stage, [artifacts.Kept(path="b", size=1, digest="c")], at=factories.NOW)
        artifacts.record(session, run.id, stage, [kept], at=factories.NOW)
    with database.read() as session:
        assert [one.path for one in artifacts.of_run(session, run.id)] == ["../../shot.png", "b"]
        found = artifacts.find(session, run.id, "unit", "../../shot.png")
        with pytest.raises(NotFound):
            artifacts.find(session, run.id, "unit", "../shot.png")
    assert artifacts.path(tmp_path, found) == tmp_path / f"r{run.id}" / "unit" / ("ab" * 32)
