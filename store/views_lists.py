"""Projects, deliveries and what the recorder kept, as plain dictionaries."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.schema import DeliveryRow, LeaseRow, ProjectRow, RecordedRow, RunRow
from store.session import now
from store.views import NEWEST, Page, View, below, listed, when


def projects(session: Session) -> View:
    """Return every project by name; never its secret, nor an address that may hold one."""
    rows = session.scalars(select(ProjectRow).order_by(ProjectRow.name))
    return {"items": [_project(row) for row in rows], "next": None}


def deliveries(
    session: Session,
    *,
    project: str | None = None,
    page: Page = NEWEST,
) -> View:
    """Return what was received, newest first: never headers or bodies, which may hold what the sender would hide."""
    query = select(DeliveryRow, ProjectRow.name).outerjoin(ProjectRow, ProjectRow.id == DeliveryRow.project_id)
    if project:
        query = query.where(ProjectRow.name == project)
    query = query.where(below(DeliveryRow.id, page)).order_by(DeliveryRow.id.desc())
    rows = session.execute(query.limit(page.limit + 1)).all()
    ids = [row.id for row, _ in rows]
    made = session.execute(
        select(RunRow.delivery_id, RunRow.id).where(RunRow.delivery_id.in_(ids)).order_by(RunRow.id)
    ).all()
    return listed(
        [_delivery(row, name, [f"r{run}" for delivery, run in made if delivery == row.id]) for row, name in rows], page
    )


def messages(session: Session, *, channel: str | None = None, page: Page = NEWEST) -> View:
    """Return what the recorder kept in place of Slack, newest first."""
    query = select(RecordedRow).where(below(RecordedRow.id, page)).order_by(RecordedRow.id.desc())
    if channel:
        query = query.where(RecordedRow.channel == channel)
    return listed([_message(row) for row in session.scalars(query.limit(page.limit + 1))], page)


def lease_held(session: Session, name: str) -> bool:
    """Tell whether somebody holds this lease just now."""
    return bool(session.scalar(select(LeaseRow.until > now()).where(LeaseRow.name == name)))


def _project(row: ProjectRow) -> View:
    return {
        "name": row.name,
        "forge": row.forge,
        "default_branch": row.default_branch,
        "created_at": when(row.created_at),
    }


def _delivery(row: DeliveryRow, project: str | None, runs: list[str]) -> View:
    return {
        "id": str(row.id),
        "project": project,
        "forge": row.forge,
        "event": row.event,
        "key": row.key,
        "verdict": row.verdict,
        "code": row.code,
        "detail": row.detail,
        "runs": runs,
        "received_at": when(row.received_at),
    }


def _message(row: RecordedRow) -> View:
    return {
        "id": str(row.id),
        "channel": row.channel,
        "ts": row.ts,
        "thread_ts": row.thread_ts,
        "text": row.text,
        "blocks": row.blocks,
        "edits": row.edits,
        "created_at": when(row.created_at),
        "updated_at": when(row.updated_at),
    }
