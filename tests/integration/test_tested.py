"""When a commit's images count as tested: on a real database."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.outcome import passed
from pipeline.spec import load, to_json
from store import jobs, projects, runs
from store.schema import ImageRow, StageRow
from store.session import Database
from tests import factories as make
from tests import fakes
from workers import against
from workers.against import OTHER
from workers.stage import Scene
from workers.tested import mark_tested


def counts(database: Database, home: Path, stages: dict[str, dict[str, Any]], **run: Any) -> bool:
    """Make a run whose last stage, unit, passes now, and tell whether its image counts as tested."""
    with database.begin() as session:
        shop = make.project(session)
        columns = [{"name": name, **values} for name, values in stages.items()]
        row = make.run(session, shop, [*columns, {"name": "unit", "state": "running"}], state="running", **run)
        make.image(session, row, tested=False)
        number = session.scalars(select(StageRow.id).where(StageRow.name == "unit")).one()
        context = fakes.context(database, home)
        claim = jobs.Claim(id=1, kind=jobs.JobKind.STAGE, ref_id=number, fence=1, attempt=1)
        transcript = context.transcripts.open(row.id, "unit", 1)
        work, project = runs.work(session, number), projects.get(session, shop.id)
        scene = Scene(ctx=context, claim=claim, work=work, project=project, transcript=transcript)
        mark_tested(session, scene)
        transcript.close()
        session.flush()
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
        (GOOD, {"wanted": ["unit"]}, False),
        (GOOD, {"trusted": False, "approved_by": "ana"}, False),
    ],
)
def test_images_are_tested_when_all_of_a_run_that_is_ours_has_passed_or_may_fail(
    database: Database, tmp_path: Path, stages: dict[str, Any], run: dict[str, Any], good: bool
) -> None:
    assert counts(database, tmp_path, stages, **run) is good


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
        stages = [
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
        work, project = runs.work(session, number), projects.get(session, shop.id)
    context = fakes.context(database, tmp_path)
    claim = jobs.Claim(id=1, kind=jobs.JobKind.STAGE, ref_id=number, fence=1, attempt=1)
    with closing(context.transcripts.open(work.run_id, "live", 1)) as transcript:
        scene = Scene(ctx=context, claim=claim, work=work, project=project, transcript=transcript)
        found = against.left_out(scene)
        assert (found.sentence if found else "") == left_out
        if told:
            outcome = against.there(scene).tell(passed("1 passed"))
            assert outcome.sentence.startswith(told[0]) and outcome.code == told[1]
