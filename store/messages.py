"""Live messages: which there are, and which must be drawn again."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from store import jobs, reports
from store.schema import MessageRow


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveMessage:
    """A message to draw: `kind` is run or deployment, `ts` is empty until it was posted."""

    id: int
    kind: str
    ref_id: int
    channel: str
    ts: str
    version: int
    drawn: int


def touch(session: Session, kind: str, ref_id: int, *, channel: str, at: datetime) -> None:
    """Say that what the message shows has changed, in the transaction that changed it; the first touch makes it.

    What shows in a message shows at the git host as well.
    """
    mine = (MessageRow.kind == kind) & (MessageRow.ref_id == ref_id)
    row = session.scalar(select(MessageRow).where(mine).with_for_update())
    if row is None:
        row = MessageRow(kind=kind, ref_id=ref_id, channel=channel)
        session.add(row)
        session.flush()
    else:
        row.version += 1
    jobs.add(session, jobs.JobKind.MESSAGE, row.id, at=at)
    if kind == "run":
        reports.touch(session, ref_id, at=at)


def get(session: Session, message_id: int, *, lock: bool = False) -> LiveMessage | None:
    """Return a live message as it stands; locked, it stays so until the transaction ends."""
    row = session.get(MessageRow, message_id, with_for_update=lock or None)
    if row is None:
        return None
    return LiveMessage(
        id=row.id,
        kind=row.kind,
        ref_id=row.ref_id,
        channel=row.channel,
        ts=row.ts,
        version=row.version,
        drawn=row.drawn,
    )


def drawn(session: Session, message_id: int, *, ts: str, version: int) -> bool:
    """Note that `version` was drawn as `ts`; return whether a newer version waits to be drawn."""
    row = session.get_one(MessageRow, message_id, with_for_update=True)
    row.ts, row.drawn, row.error = ts, version, ""
    return row.version > version


def failed(session: Session, message_id: int, error: str) -> None:
    """Keep why a message could not be drawn."""
    session.get_one(MessageRow, message_id).error = error
