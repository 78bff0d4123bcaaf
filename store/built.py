"""What was built of a ref: what a push is compared with, and whether a newer push has come further already."""

from typing import Any

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session, aliased

from pipeline.outcome import State
from pipeline.stage import Kind
from store.refs import BY_PUSH
from store.schema import ImageRow, RunRow, StageRow

# A run that was stopped may have built everything and still have kept it from being tested and deployed.
CUT_SHORT = (State.SUPERSEDED, State.CANCELLED, State.ERROR)


def built_revisions(session: Session, project_id: int, ref: str, *, limit: int) -> tuple[str, ...]:
    """Return the newest revisions of a ref of which everything was built for a push, the newest push first.

    A run that a person asked for says nothing of what the ref was last, and is left out.
    """
    good, bad = aliased(StageRow), aliased(StageRow)
    built = select(good.id).where(good.run_id == RunRow.id, good.kind == Kind.BUILD, good.state == State.PASSED)
    # What was planned to be skipped says why by its code; what was never started, for another's failure, has none.
    planned_so = (bad.state == State.SKIPPED) & (bad.code != "")
    unbuilt = select(bad.id).where(
        bad.run_id == RunRow.id, bad.kind == Kind.BUILD, bad.state != State.PASSED, ~planned_so
    )
    query = select(RunRow.revision).where(
        RunRow.project_id == project_id,
        RunRow.ref == ref,
        RunRow.trigger.in_(BY_PUSH),
        RunRow.state.not_in(CUT_SHORT),
        ~RunRow.cancel_requested,
        built.exists(),
        ~unbuilt.exists(),
    )
    return tuple(session.scalars(query.order_by(RunRow.id.desc()).limit(limit)))


def overtaken_in_tags(session: Session, run_id: int) -> bool:
    """Tell whether a newer commit of the same ref has an image: the moving tags are that commit's.

    Newer is what was pushed last; a commit that a person has run again is as old as it was.
    """
    mine, came = session.get_one(RunRow, run_id), _came(session, run_id)
    earlier = aliased(RunRow)
    old = select(earlier.id).where(
        earlier.project_id == RunRow.project_id,
        earlier.ref == RunRow.ref,
        earlier.revision == RunRow.revision,
        earlier.id <= came,
    )
    image = select(ImageRow.id).where(ImageRow.project_id == RunRow.project_id, ImageRow.revision == RunRow.revision)
    newer = _newer(session, run_id, than=came).where(
        RunRow.revision != mine.revision,
        RunRow.state.not_in([*CUT_SHORT, State.SKIPPED]),
        RunRow.trigger.in_(BY_PUSH) | ~old.exists(),
        image.exists(),
    )
    return session.scalar(newer) is not None


def overtaken_in_rules(session: Session, run_id: int) -> bool:
    """Tell whether the configuration of a newer push of the same ref has been read."""
    newer = _newer(session, run_id, than=run_id)
    return session.scalar(newer.where(RunRow.trigger.in_(BY_PUSH), RunRow.config.is_not(None))) is not None


def _came(session: Session, run_id: int) -> int:
    """Return the run with which a run's commit came to its ref: its last push, or else the first that was asked for."""
    mine = session.get_one(RunRow, run_id)
    same = (RunRow.project_id == mine.project_id) & (RunRow.ref == mine.ref) & (RunRow.revision == mine.revision)
    last_push = func.max(case((RunRow.trigger.in_(BY_PUSH), RunRow.id)))
    return session.scalar(select(func.coalesce(last_push, func.min(RunRow.id))).where(same)) or run_id


def _newer(session: Session, run_id: int, *, than: int) -> Select[Any]:
    mine = session.get_one(RunRow, run_id)
    same = (RunRow.project_id == mine.project_id) & (RunRow.ref == mine.ref)
    return select(RunRow.id).where(same, RunRow.id > than).limit(1)
