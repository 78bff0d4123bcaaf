"""Leases: things only one process may do at a time, such as being the clock."""

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from store.schema import LeaseRow
from store.session import now


def take(session: Session, name: str, owner: str, seconds: float) -> bool:
    """Take or extend a lease; False if somebody else holds it."""
    row = session.scalar(select(LeaseRow).where(LeaseRow.name == name).with_for_update())
    if row is None:
        session.add(LeaseRow(name=name, owner="", fence=0, until=0.0))
        session.flush()
    free = or_(LeaseRow.owner == owner, LeaseRow.until < now())
    taken = session.execute(
        update(LeaseRow)
        .where(LeaseRow.name == name, free)
        .values(owner=owner, fence=LeaseRow.fence + 1, until=now() + seconds)
        .returning(LeaseRow.fence)
    ).one_or_none()
    return taken is not None


def drop(session: Session, name: str, owner: str) -> None:
    """Give a lease back."""
    mine = (LeaseRow.name == name) & (LeaseRow.owner == owner)
    session.execute(update(LeaseRow).where(mine).values(until=0.0))
