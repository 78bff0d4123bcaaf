"""Build numbers: each project counts the runs that published images, once for each run."""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from store.schema import ProjectRow, RunRow


def give(session: Session, run_id: int) -> int:
    """Return a run's build number, the project's next one if it has none yet."""
    run = session.scalars(select(RunRow).where(RunRow.id == run_id).with_for_update()).one()
    if run.build_number is None:
        counted = update(ProjectRow).where(ProjectRow.id == run.project_id).values(builds=ProjectRow.builds + 1)
        run.build_number = session.execute(counted.returning(ProjectRow.builds)).scalar_one()
        session.flush()
    return run.build_number
