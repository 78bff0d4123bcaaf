"""Replies kept by a key that whoever asked has chosen: the same thing asked twice is done once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from pipeline.errors import Conflict
from store.schema import CommandRow

SOURCE = "api"
KEPT = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True, slots=True)
class Once:
    """A key, and a digest of what was asked with it."""

    key: str
    digest: str

    @property
    def stored(self) -> str:
        """The key as it is kept, apart from those of other doors."""
        return f"{SOURCE}:{self.key}"


def find(session: Session, once: Once, *, by: str, at: datetime) -> dict[str, Any] | None:
    """Return what was answered to this key, or take the key, and wait for whoever has it. Raises Conflict.

    What is taken and not kept is forgotten with the transaction.
    """
    session.execute(delete(CommandRow).where(CommandRow.source == SOURCE, CommandRow.received_at < at - KEPT))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    values = {"key": once.stored, "source": SOURCE, "person": by, "channel": "", "line": once.digest}
    taken = insert(CommandRow).values(**values, response_url="", received_at=at)
    unless_known = taken.on_conflict_do_nothing(index_elements=[CommandRow.key]).returning(CommandRow.id)
    if session.scalar(unless_known) is not None:
        return None
    known = session.execute(select(CommandRow.line, CommandRow.reply).where(CommandRow.key == once.stored)).one()
    if known.line != once.digest:
        sentence = "this Idempotency-Key was sent with another request"
        raise Conflict(sentence, code="key_reused", fix="Choose a new key for each thing that is asked.")
    return dict(known.reply or {})


def keep(session: Session, once: Once, reply: dict[str, Any], *, at: datetime) -> None:
    """Keep what was answered, in the transaction that did it."""
    row = session.scalars(select(CommandRow).where(CommandRow.key == once.stored)).one()
    row.reply, row.answered_at = reply, at
