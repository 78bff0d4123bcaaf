"""How long stages usually take: from the last times that they passed."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.outcome import State
from pipeline.progress import by_stage
from store.schema import RunRow, StageRow

# Among so many of a project's newest runs the last twenty times of a stage are looked for.
RUNS = 60


def of_stages(session: Session, project_id: int) -> Mapping[tuple[str, str], float]:
    """Return how many seconds each stage of a project usually takes, by name and kind."""
    newest = select(RunRow.id).where(RunRow.project_id == project_id).order_by(RunRow.id.desc()).limit(RUNS)
    ids = session.scalars(newest).all()
    columns = StageRow.name, StageRow.kind, StageRow.started_at, StageRow.finished_at
    passed = select(*columns).where(StageRow.run_id.in_(ids), StageRow.state == State.PASSED)
    rows = session.execute(passed.order_by(StageRow.run_id.desc()))
    return by_stage(
        (name, kind, (end - start).total_seconds()) for name, kind, start, end in rows if start is not None and end
    )
