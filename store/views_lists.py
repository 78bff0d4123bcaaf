"""Projects and what the recorder kept, as plain dictionaries."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.links import Links
from store.schema import DeliveryRow, ForgeAccountRow, LeaseRow, ProjectRow, RecordedRow
from store.session import now
from store.views import NEWEST, Page, View, below, listed, when


def projects(session: Session, links: Links) -> View:
    """Return every project by name; never its secret, nor an address that may hold one."""
    rows = session.scalars(select(ProjectRow).order_by(ProjectRow.name))
    accounts = {row.project_id: row for row in session.scalars(select(ForgeAccountRow))}
    items = [_project(row, links, last_delivery(session, row.id), accounts.get(row.id)) for row in rows]
    return {"items": items, "next": None}


def last_delivery(session: Session, project_id: int) -> View | None:
    """Return the newest delivery of a project in short, if there is one."""
    columns = (DeliveryRow.id, DeliveryRow.code, DeliveryRow.detail, DeliveryRow.source, DeliveryRow.received_at)
    newest = select(*columns).where(DeliveryRow.project_id == project_id).order_by(DeliveryRow.id.desc())
    row = session.execute(newest.limit(1)).one_or_none()
    if row is None:
        return None
    what = {"id": str(row.id), "code": row.code, "detail": row.detail, "source": row.source}
    return what | {"received_at": when(row.received_at)}


def messages(session: Session, *, channel: str | None = None, page: Page = NEWEST) -> View:
    """Return what the recorder kept in place of Slack, newest first."""
    query = select(RecordedRow).where(below(RecordedRow.id, page)).order_by(RecordedRow.id.desc())
    if channel:
        query = query.where(RecordedRow.channel == channel)
    return listed([_message(row) for row in session.scalars(query.limit(page.limit + 1))], page)


def lease_held(session: Session, name: str) -> bool:
    """Tell whether somebody holds this lease just now."""
    return bool(session.scalar(select(LeaseRow.until > now()).where(LeaseRow.name == name)))


def _account(row: ForgeAccountRow | None) -> View | None:
    """Return whether a forge takes our answers, and why not; nothing that answers for us."""
    if row is None:
        return None
    facts = {"api_url": row.api_url, "repository": row.repository, "broken": row.broken, "fault": row.fault}
    return facts | {"told_at": when(row.told_at)}


def _project(row: ProjectRow, links: Links, last: View | None, account: ForgeAccountRow | None) -> View:
    return {
        "name": row.name,
        "forge": row.forge,
        "default_branch": row.default_branch,
        "hook_url": links.hook(row.forge, row.name),
        "last_delivery": last,
        "swept_at": when(row.swept_at),
        "recovered": row.recovered,
        "account": _account(account),
        "created_at": when(row.created_at),
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
