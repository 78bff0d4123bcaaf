"""When a commit's images count as tested: on a real database."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.errors import SlipwayError, StageFailed, Unavailable
from pipeline.outcome import Outcome, State, passed
from pipeline.spec import load, to_json
from pipeline.stage import OTHER, Kind
from store import jobs, projects, stage_work
from store.schema import ImageRow, JobRow, StageRow
from store.session import Database
from tests import factories as make
from tests import fakes
from workers import against, stage, steps
from workers.context import Context
from workers.stage import Done, Scene


def counts(
    database: Database,
    home: Path,
    stages: dict[str, dict[str, Any]],
    *,
    last: dict[str, Any] | None = None,
    end: Outcome | SlipwayError | None = None,
    **run: Any,
) -> bool:
    """Make a run whose last stage, unit, ends now, and tell whether its image counts as tested."""
    context = fakes.context(database, home)
    with database.begin() as session:
        shop = make.project(session)
        columns = [{"name": name, **values} for name, values in stages.items()]
        unit = {"name": "unit", "state": "queued", **(last or {})}
        row = make.run(session, shop, [*columns, unit], state="running", **run)
        make.image(session, row, tested=False)
        number = session.scalars(select(StageRow.id).where(StageRow.name == "unit")).one()
        jobs.add(session, jobs.JobKind.STAGE, number, at=make.NOW)
        job = session.scalars(select(JobRow.id).where(JobRow.kind == "stage")).one()

    def do(scene: Scene) -> Done:
        # It is not said of a test that is to be tried once more.
        with scene.ctx.database.read() as session:
            assert not session.scalars(select(ImageRow.tested)).one()
        if isinstance(end, SlipwayError):
            raise end
        return Done(outcome=end or passed())

    def carry_out(ctx: Context, claim: jobs.Claim) -> jobs.Claim | None:
        return stage.carry(ctx, claim, {Kind.TEST: do})

    handler = steps.Handler(do=carry_out, give_up=stage.give_up, attempts=1)
    steps.run_job(context, {jobs.JobKind.STAGE: handler}, job, "tests")
    with database.read() as session:
        assert session.get_one(StageRow, number).state not in {"running", "passed" if end else ""}
        return session.scalars(select(ImageRow.tested)).one()


GOOD = {"build": {}, "lint": {"state": "skipped", "code": "other_branch"}}


@pytest.mark.parametrize(
    ("stages", "run", "good"),
    [
        (GOOD, {}, True),
        (GOOD | {"test-scan": {"state": "failed", "allow_failure": True}}, {}, True),
        (GOOD | {"test-slow": {"state": "running"}}, {}, False),
        (GOOD | {"test-slow": {"state": "failed"}}, {}, False),
        (GOOD | {"test-live": {"code": "other_deployment"}}, {}, False),
        (GOOD | {"test-live": {"state": "skipped", "code": "not_deployed"}}, {}, True),
        (GOOD | {"test-late": {"state": "skipped", "code": ""}, "task-x": {"state": "failed"}}, {}, False),
        (GOOD, {"wanted": ["unit"]}, False),
        (GOOD, {"trusted": False, "approved_by": "ana"}, False),
    ],
)
def test_images_are_tested_when_all_of_a_run_that_is_ours_has_passed_or_may_fail(
    database: Database, tmp_path: Path, stages: dict[str, Any], run: dict[str, Any], good: bool
) -> None:
    assert counts(database, tmp_path, stages, **run) is good


FAILED = Outcome(state=State.FAILED, sentence="exited with 1", code="tests_failed")


@pytest.mark.parametrize(
    ("last", "end", "good"),
    [
        ({"allow_failure": True}, FAILED, True),
        ({"allow_failure": True}, StageFailed("no such image", code="no_image"), True),
        ({"allow_failure": True}, Unavailable("the engine does not answer"), True),
        ({"allow_failure": True, "retries": 1}, FAILED, True),
        ({}, FAILED, False),
    ],
)
def test_a_test_that_may_fail_keeps_no_commit_from_being_tested_by_ending_last(
    database: Database, tmp_path: Path, last: dict[str, Any], end: Outcome | SlipwayError, *, good: bool
) -> None:
    assert counts(database, tmp_path, GOOD, last=last, end=end) is good


LIVE = b"""
services: {web: }
stages:
  build: {build: all}
  ci: {deploy: ci}
  live: {test: {in: web, run: x, against: ci}}
environments: {ci: }
"""


@pytest.mark.parametrize(
    ("deploy", "word", "run", "left_out", "told"),
    [
        ("passed", "mine", {}, "", ("1 passed", "passed")),
        ("passed", "older", {}, "", ("1 passed; faced d1 of r2 in ci, not a deployment of this run", OTHER)),
        ("skipped", "older", {"wanted": ["live"]}, "", ("1 passed; faced d1 of r2 in ci", "passed")),
        ("skipped", "older", {}, "ci was not deployed by this run", None),
    ],
)
def test_a_live_test_says_whose_deployment_it_faced_and_has_none_where_its_run_made_none(
    database: Database,
    tmp_path: Path,
    *,
    deploy: str,
    word: str,
    run: dict[str, Any],
    left_out: str,
    told: tuple[str, str] | None,
) -> None:
    config = to_json(load({"slipway.yml": LIVE, "Dockerfile": b""}, project="shop"))
    with database.begin() as session:
        shop = make.project(session)
        stages: list[dict[str, Any]] = [
            {"name": "build"},
            {"name": "ci", "kind": "deploy", "state": deploy},
            {"name": "live", "kind": "test", "state": "running", "spec": {"against": "ci"}},
        ]
        mine = make.run(session, shop, stages, state="running", word="mine", config=config, **run)
        other = make.run(session, shop, word="older", began=50)
        place = make.environment(session, shop, name="ci")
        of = mine if word == "mine" else other
        live = make.deployment(session, place, {"web": of.revision}, run_id=of.id)
        place.live_deployment_id = live.id
        number = session.scalars(select(StageRow.id).where(StageRow.name == "live")).one()
        work, project = stage_work.work(session, number), projects.get(session, shop.id)
    context = fakes.context(database, tmp_path)
    claim = jobs.Claim(id=1, kind=jobs.JobKind.STAGE, ref_id=number, fence=1, attempt=1)
    with closing(context.transcripts.open(work.run_id, "live", 1)) as transcript:
        scene = Scene(ctx=context, claim=claim, work=work, project=project, transcript=transcript)
        found = against.left_out(scene)
        assert (found.sentence if found else "") == left_out
        if told:
            outcome = against.there(scene).tell(passed("1 passed"))
            assert outcome.sentence.startswith(told[0]) and outcome.code == told[1]
