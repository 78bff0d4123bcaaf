"""Deliveries: every webhook as it came in, and what was decided about it."""

from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pipeline.decide import Head
from pipeline.project import Project
from store.schema import DeliveryRow, RunRow

ACCEPTED = "accepted"
REFUSED = "refused"
MOST_REFUSED = 200
REFUSED_BODY = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class NewDelivery:
    """A webhook as it came in; `key` is what its sender calls it."""

    forge: str
    key: str
    event: str
    headers: dict[str, Any]
    body: bytes
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A delivery that was taken in before, and the runs it started."""

    id: int
    code: str
    detail: str
    runs: tuple[int, ...]


def find(session: Session, project_id: int, key: str) -> Known | None:
    """Return the delivery of that key, if it was taken in before."""
    row = session.scalar(select(DeliveryRow).where(DeliveryRow.project_id == project_id, DeliveryRow.key == key))
    if row is None:
        return None
    runs = session.scalars(select(RunRow.id).where(RunRow.delivery_id == row.id).order_by(RunRow.id))
    return Known(id=row.id, code=row.code, detail=row.detail, runs=tuple(runs))


def add(session: Session, project: Project, new: NewDelivery) -> int:
    """Take in a delivery that its sender signed, and return its id; what is decided about it follows."""
    return _insert(session, project.id, new, key=new.key, verdict=ACCEPTED)


def decided(session: Session, delivery_id: int, *, code: str, detail: str) -> None:
    """Note what was decided about a delivery."""
    row = session.get_one(DeliveryRow, delivery_id)
    row.code, row.detail = code, detail


def refuse(session: Session, project_id: int | None, new: NewDelivery, *, code: str, detail: str) -> None:
    """Keep a delivery that starts nothing, for its owner to look at; the oldest beyond a limit are forgotten.

    It never takes the key: whoever cannot sign must not keep the real delivery of that key out, and a delivery
    refused for our settings can be sent again. One for no project is forgotten at once, at the same cost.
    """
    kept = _insert(session, project_id, new, key=f"refused:{token_hex(16)}", verdict=REFUSED)
    decided(session, kept, code=code, detail=detail)
    refused = (DeliveryRow.project_id == project_id, DeliveryRow.verdict == REFUSED)
    newest = select(DeliveryRow.id).where(*refused).order_by(DeliveryRow.id.desc())
    keep = newest.limit(MOST_REFUSED if project_id else 0)
    session.execute(delete(DeliveryRow).where(*refused, DeliveryRow.id.not_in(keep)))


def head(session: Session, project_id: int, ref: str) -> Head | None:
    """Return the newest run of a ref."""
    row = session.execute(
        select(RunRow.id, RunRow.revision)
        .where(RunRow.project_id == project_id, RunRow.ref == ref)
        .order_by(RunRow.id.desc())
        .limit(1)
    ).one_or_none()
    return Head(run_id=row.id, revision=row.revision) if row else None


def came_before(session: Session, project_id: int, delivery_id: int, body: bytes) -> bool:
    """Tell whether another delivery with the very same body was taken in, under whatever key."""
    same = (DeliveryRow.project_id == project_id, DeliveryRow.body == body, DeliveryRow.verdict == ACCEPTED)
    return session.scalar(select(DeliveryRow.id).where(*same, DeliveryRow.id != delivery_id).limit(1)) is not None


def _insert(session: Session, project_id: int | None, new: NewDelivery, *, key: str, verdict: str) -> int:
    row = DeliveryRow(
        project_id=project_id,
        forge=new.forge,
        key=key,
        event=new.event,
        headers=new.headers,
        body=new.body if verdict == ACCEPTED else new.body[:REFUSED_BODY],
        verdict=verdict,
        code="",
        detail="",
        received_at=new.at,
    )
    session.add(row)
    session.flush()
    return row.id
