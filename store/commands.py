"""Commands: the lines people have spoken to Slipway, and what they were answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from store import jobs
from store.schema import CommandRow


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCommand:
    """A line as it was spoken; `key` is the same for the same speaking of it, however often it arrives."""

    key: str
    source: str
    person: str
    channel: str
    line: str
    response_url: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command as it stands; `reply` is None until it was answered."""

    id: int
    source: str
    person: str
    channel: str
    line: str
    response_url: str
    reply: dict[str, Any] | None


def create(session: Session, new: NewCommand, *, at: datetime) -> tuple[int, bool]:
    """Return the command of that key and whether it was made now, its job with it."""
    known = session.scalar(select(CommandRow.id).where(CommandRow.key == new.key))
    if known is not None:
        return known, False
    row = CommandRow(
        key=new.key,
        source=new.source,
        person=new.person,
        channel=new.channel,
        line=new.line,
        response_url=new.response_url,
        received_at=at,
    )
    session.add(row)
    session.flush()
    jobs.add(session, jobs.JobKind.COMMAND, row.id, at=at)
    return row.id, True


def get(session: Session, command_id: int) -> Command:
    """Return a command by its id."""
    row = session.get_one(CommandRow, command_id)
    return Command(
        id=row.id,
        source=row.source,
        person=row.person,
        channel=row.channel,
        line=row.line,
        response_url=row.response_url,
        reply=row.reply,
    )


def answer(session: Session, command_id: int, reply: dict[str, Any], *, at: datetime) -> None:
    """Keep what a command was answered; the first answer stays."""
    row = session.get_one(CommandRow, command_id, with_for_update=True)
    if row.answered_at is None:
        row.reply, row.answered_at = reply, at
