"""What every ref was when we last heard of it, be it told or found: in bulk, for there may be thousands."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from pipeline.looking import Known, pause
from pipeline.ports import Tip
from store.jobs import JobKind
from store.schema import JobRow, ProjectRow, RefHeadRow, RunRow
from store.session import now

BATCH = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Rested:
    """A project that was looked at so many times, the last time `seconds` ago, or never."""

    project_id: int
    rounds: int
    seconds: float | None

    def due(self, every: float) -> bool:
        """Tell whether it has rested long enough to be looked at again, `every` so many seconds."""
        return self.seconds is None or self.seconds >= pause(self.project_id, self.rounds, every)


def known(session: Session, project_id: int) -> dict[str, Known]:
    """Return what is known of every ref of a project."""
    columns = (RefHeadRow.ref, RefHeadRow.revision, RefHeadRow.candidate, RefHeadRow.seen_at)
    rows = session.execute(select(*columns).where(RefHeadRow.project_id == project_id))
    return {row.ref: Known(revision=row.revision, candidate=row.candidate, seen_at=row.seen_at) for row in rows}


def told(session: Session, project_id: int, ref: str) -> str | None:
    """Return what a ref was when we last heard of it; None if we never did, or it was gone."""
    mine = (RefHeadRow.project_id == project_id) & (RefHeadRow.ref == ref)
    return session.scalar(select(RefHeadRow.revision).where(mine)) or None


def is_news(session: Session, project_id: int, ref: str, told: str) -> bool:
    """Tell whether what a look noted about a ref, of which we had heard `told`, has not been heard of since."""
    mine = (RefHeadRow.project_id == project_id) & (RefHeadRow.ref == ref)
    noted = select(RefHeadRow.id).where(mine, RefHeadRow.revision == told, RefHeadRow.candidate != "")
    return session.scalar(noted) is not None


def take_as_told(session: Session, project_id: int, tips: Mapping[str, Tip], *, at: datetime) -> None:
    """Take what refs are as told, silently, except where we have heard of the ref already."""
    rows = [
        {"project_id": project_id, "ref": ref, "revision": tip.revision, "candidate": "", "seen_at": at}
        for ref, tip in tips.items()
    ]
    _put(session, rows, change=())


def note(session: Session, project_id: int, candidates: Mapping[str, str], *, at: datetime) -> None:
    """Note news that a webhook may still tell."""
    rows = [
        {"project_id": project_id, "ref": ref, "revision": "", "candidate": candidate, "seen_at": at}
        for ref, candidate in candidates.items()
    ]
    _put(session, rows, change=("candidate", "seen_at"))


def settle(session: Session, project_id: int, refs: Sequence[str]) -> None:
    """Forget the news that was noted about refs."""
    for some in _batches(refs):
        mine = (RefHeadRow.project_id == project_id) & RefHeadRow.ref.in_(some)
        session.execute(update(RefHeadRow).where(mine).values(candidate=""))


def forget(session: Session, project_id: int, refs: Sequence[str]) -> None:
    """Forget refs that are no longer there."""
    for some in _batches(refs):
        session.execute(delete(RefHeadRow).where(RefHeadRow.project_id == project_id, RefHeadRow.ref.in_(some)))


def has_older_run(session: Session, run_id: int, project_id: int, ref: str, revisions: Iterable[str]) -> bool:
    """Tell whether a ref had a run of one of these objects before a run was made."""
    mine = (RunRow.project_id == project_id, RunRow.ref == ref, RunRow.id < run_id)
    return session.scalar(select(RunRow.id).where(*mine, RunRow.revision.in_(list(revisions))).limit(1)) is not None


def swept(session: Session, project_id: int, *, recovered: int, at: datetime) -> None:
    """Note that a project was looked at, and how many pushes that found."""
    values = {"swept_at": at, "recovered": ProjectRow.recovered + recovered}
    session.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(values))


def rested(session: Session, least: float) -> list[Rested]:
    """Return the projects at which nobody looks or is about to, and nobody has for `least` seconds."""
    job = (JobRow.kind == JobKind.SWEEP) & (JobRow.ref_id == ProjectRow.id)
    seconds = now() - JobRow.not_before
    due = or_(JobRow.id.is_(None), (JobRow.state == "done") & (seconds >= least))
    rows = session.execute(
        select(ProjectRow.id, JobRow.fence, seconds.label("seconds")).outerjoin(JobRow, job).where(due)
    )
    return [Rested(project_id=row.id, rounds=row.fence or 0, seconds=row.seconds) for row in rows]


def never_swept(session: Session, project_id: int) -> bool:
    """Tell whether nobody has ever looked at a project."""
    return session.scalar(select(ProjectRow.swept_at).where(ProjectRow.id == project_id)) is None


def _put(session: Session, rows: Sequence[Mapping[str, Any]], *, change: Sequence[str]) -> None:
    """Insert rows; where a ref has one already, change only these columns of it."""
    if not rows:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    made = insert(RefHeadRow)
    keys = [RefHeadRow.project_id, RefHeadRow.ref]
    changes = {name: made.excluded[name] for name in change}
    put = made.on_conflict_do_update(index_elements=keys, set_=changes) if change else None
    session.execute(put if put is not None else made.on_conflict_do_nothing(index_elements=keys), list(rows))


def _batches(refs: Sequence[str]) -> Iterable[Sequence[str]]:
    return (refs[at : at + BATCH] for at in range(0, len(refs), BATCH))
