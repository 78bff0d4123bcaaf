"""Schedules: the runs that come again and again, as each default branch's file says, and when they are due."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from pipeline.schedules import key_of, next_due
from pipeline.spec_trigger import Schedule
from store.schema import ScheduleRow
from store.session import now


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A schedule whose time has come; `at` is that time, in the database's seconds."""

    project_id: int
    branch: str
    stages: tuple[str, ...] | None
    cron: str
    at: float


def keep(session: Session, project_id: int, wanted: Sequence[Schedule]) -> None:
    """Keep a project's schedules in step with its file; one that says what it said is due when it was."""
    known = {row.key: row for row in session.scalars(select(ScheduleRow).where(ScheduleRow.project_id == project_id))}
    asked = {key_of(one.cron, one.branch, one.stages): one for one in wanted}
    gone = [row.id for key, row in known.items() if key not in asked]
    session.execute(delete(ScheduleRow).where(ScheduleRow.id.in_(gone)))
    seconds = session.scalar(select(now())) or 0.0
    for key, one in asked.items():
        if key not in known:
            due_at, stages = next_due(one.cron, seconds), None if one.stages is None else list(one.stages)
            values = {"cron": one.cron, "branch": one.branch, "stages": stages, "due_at": due_at}
            session.add(ScheduleRow(project_id=project_id, key=key, **values))
    session.flush()


def take_due(session: Session) -> list[Due]:
    """Return what is due, and let each be due again at its next time: whoever asks second gets none of it.

    What was missed while no clock ran is due once, however often it was.
    """
    seconds = session.scalar(select(now())) or 0.0
    waiting = session.scalars(select(ScheduleRow).where(ScheduleRow.due_at <= seconds).order_by(ScheduleRow.id)).all()
    return [_due(row, was) for row in waiting if (was := _taken(session, row, seconds)) is not None]


def _taken(session: Session, row: ScheduleRow, seconds: float) -> float | None:
    """Move a schedule on to its next time; return the one it was due at, or None if somebody else has moved it."""
    was = row.due_at
    mine = (ScheduleRow.id == row.id) & (ScheduleRow.due_at == was)
    moved = update(ScheduleRow).where(mine).values(due_at=next_due(row.cron, seconds)).returning(ScheduleRow.id)
    return was if session.scalar(moved.execution_options(synchronize_session=False)) is not None else None


def _due(row: ScheduleRow, at: float) -> Due:
    stages = None if row.stages is None else tuple(row.stages)
    return Due(project_id=row.project_id, branch=row.branch, stages=stages, cron=row.cron, at=at)
