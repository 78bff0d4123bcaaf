"""Recorded messages: what the recorder keeps in place of Slack."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from pipeline.ports import ChatMessage
from store.schema import RecordedRow
from store.session import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedMessage:
    """A message as it stands."""

    id: int
    channel: str
    ts: str
    text: str
    edits: int
    updated_at: datetime


class Recorded:
    """The shelf the recorder puts messages on, each in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, ts: str, message: ChatMessage, at: datetime) -> None:
        """Keep a message; keeping the same timestamp again is redrawing it."""
        if self.change(ts, message, at):
            return
        with self._database.begin() as session:
            row = RecordedRow(ts=ts, thread_ts=message.thread_ts, created_at=at)
            _draw(row, message, at)
            session.add(row)

    def change(self, ts: str, message: ChatMessage, at: datetime) -> bool:
        """Redraw a message and return whether it is there."""
        with self._database.begin() as session:
            row = session.scalar(select(RecordedRow).where(RecordedRow.ts == ts))
            if row is not None:
                row.edits += 1
                _draw(row, message, at)
            return row is not None


def since(session: Session, seen: datetime | None, *, limit: int = 20) -> tuple[RecordedMessage, ...]:
    """Return the messages posted or redrawn after a time, the oldest change first; the newest few without one."""
    query = select(RecordedRow).order_by(RecordedRow.updated_at.desc(), RecordedRow.id.desc()).limit(limit)
    if seen is not None:
        query = query.where(or_(RecordedRow.updated_at > seen, RecordedRow.created_at > seen))
    return tuple(reversed(list(_all(session, query))))


def _all(session: Session, query: Any) -> Iterator[RecordedMessage]:
    for row in session.scalars(query):
        yield RecordedMessage(
            id=row.id, channel=row.channel, ts=row.ts, text=row.text, edits=row.edits, updated_at=row.updated_at
        )


def _draw(row: RecordedRow, message: ChatMessage, at: datetime) -> None:
    row.channel, row.text, row.blocks, row.updated_at = message.channel, message.text, list(message.blocks), at
