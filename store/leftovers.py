"""What the database knows of the things that were found on the engine."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.deployment import InstanceState
from pipeline.leftovers import RUN, Known, Owned
from pipeline.names import run_name
from pipeline.outcome import ENDED, State
from store.schema import EnvironmentRow, ImageRow, InstanceRow, ProjectRow, RunRow, StageRow

KEPT = (InstanceState.STARTING, InstanceState.LIVE, InstanceState.DRAINING)


def known(session: Session, there: Iterable[Owned]) -> Known:
    """Return what is known of things; asked after they were found, nothing that is wanted can be missed."""
    numbers = {number for one in there if (number := _number(one.labels.get(RUN, "")))}
    runs = {row.id: row.state for row in session.execute(select(RunRow.id, RunRow.state).where(RunRow.id.in_(numbers)))}
    stages = select(StageRow.run_id, StageRow.name).where(StageRow.run_id.in_(runs), StageRow.state.not_in(ENDED))
    places = select(ProjectRow.name, EnvironmentRow.name).join_from(EnvironmentRow, ProjectRow)
    built = select(ProjectRow.name, ImageRow.service).join_from(ImageRow, ProjectRow).distinct()
    instances = session.scalars(select(InstanceRow.id).where(InstanceRow.state.in_(KEPT)))
    return Known(
        ended=frozenset(run_name(run) for run, state in runs.items() if State(state).ended),
        open=frozenset(run_name(run) for run, state in runs.items() if not State(state).ended),
        open_stages=frozenset((run_name(row.run_id), row.name) for row in session.execute(stages)),
        instances=frozenset(map(str, instances)),
        environments=frozenset((row[0], row[1]) for row in session.execute(places)),
        services=frozenset((row[0], row[1]) for row in session.execute(built)),
    )


def _number(name: str) -> int:
    """Return the number of a run by its name; 0 if that is no run's."""
    return int(name[1:]) if name[:1] == "r" and name[1:].isdigit() and len(name) < 12 else 0
