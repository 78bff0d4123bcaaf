"""People: whoever has acted."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.schema import PersonRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody who has acted, known by an e-mail address or by the name chat knows them by."""

    id: int
    email: str
    name: str
    created_at: datetime


def ensure(session: Session, email: str, *, name: str = "", at: datetime) -> Person:
    """Return the person of that address, made now if they have never acted."""
    row = session.scalar(select(PersonRow).where(PersonRow.email == email))
    if row is None:
        row = PersonRow(email=email, name=name, created_at=at)
        session.add(row)
        session.flush()
    return Person(id=row.id, email=row.email, name=row.name, created_at=row.created_at)
