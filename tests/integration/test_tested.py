"""When a commit's images count as tested: on a real database."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from store import jobs, projects, runs
from store.schema import ImageRow, StageRow
from store.session import Database
from tests import factories as make
from tests import fakes
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
        (GOOD, {"wanted": ["unit"]}, False),
        (GOOD, {"trusted": False, "approved_by": "ana"}, False),
    ],
)
def test_images_are_tested_when_all_of_a_run_that_is_ours_has_passed_or_may_fail(
    database: Database, tmp_path: Path, stages: dict[str, Any], run: dict[str, Any], good: bool
) -> None:
    assert counts(database, tmp_path, stages, **run) is good
