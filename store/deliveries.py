"""Deliveries: every webhook as it came in, and what was decided about it."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import delete, func, literal_column, select, update
from sqlalchemy.orm import Session

from store.plain import Plain, as_json, by_project, chunks, marks
from store.schema import DeliveryRow, RunRow

ACCEPTED = "accepted"
REFUSED = "refused"
HOOK, SWEEP, REDELIVERY = "hook", "sweep", "redelivery"
# What a key of our own begins with; no sender can name a delivery so.
OURS = " "
MOST_REFUSED = 200
REFUSED_BODY = 64 * 1024

Key = tuple[int, str]
COLUMNS = (
    *("project_id", "forge", "event", "headers", "digest", "source", "received_at"),
    *("key", "body", "verdict", "code", "detail"),
)
FIND = "SELECT id, key, code, detail, received_at >= ? FROM delivery WHERE project_id = ? AND key IN "
FREE_KEY = "UPDATE delivery SET key = ? WHERE id = ?"
REPLAYED = """
SELECT digest, max(received_at) >= ? FROM delivery
WHERE verdict = 'accepted' AND received_at >= ? AND project_id = ? AND digest IN """
# As the index says it: SQLite must see that the index holds every row that is asked for.
IS_REFUSED = DeliveryRow.verdict == literal_column("'refused'")


@dataclass(frozen=True, kw_only=True, slots=True)
class NewDelivery:
    """A webhook as it came in; `key` is what its sender calls it, and `signed_key` tells that it signed that too.

    `counted` is the event as it is counted: there are only so many.
    """

    forge: str
    key: str
    event: str
    headers: dict[str, Any]
    body: bytes
    at: datetime
    source: str = HOOK
    signed_key: bool = False
    counted: str = "other"
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Work out the digest once."""
        object.__setattr__(self, "digest", hashlib.sha256(self.body).hexdigest())


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A delivery that was taken in before, and the runs it started."""

    id: int
    code: str
    detail: str
    runs: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A delivery as it was kept; `whole` tells whether all of its body was."""

    id: int
    project_id: int | None
    forge: str
    source: str
    event: str
    headers: dict[str, Any]
    body: bytes
    whole: bool
    received_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """A delivery that its sender signed, and what was decided about it; `again` if its body is kept already."""

    id: int
    project_id: int
    new: NewDelivery
    code: str
    detail: str
    again: bool = False

    @property
    def body(self) -> bytes:
        """What is kept of the body: whoever recorded one could have it kept without end."""
        return b"" if self.again else self.new.body


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A delivery that starts nothing because nobody knows who sent it, or it says nothing that can be read."""

    project_id: int | None
    new: NewDelivery
    code: str
    detail: str


def find(session: Session, keys: Collection[Key], *, since: datetime) -> dict[Key, Known]:
    """Return the deliveries of those (project, key) that were taken in; one from before `since` gives up its key."""
    plain, found, edge = Plain(session), {}, Plain(session).time(since)
    for project_id, some in by_project(keys):
        rows = plain.rows(FIND + marks(some), (edge, project_id, *some))
        plain.each(FREE_KEY, [(f"{OURS}old:{number}", number) for number, _, _, _, fresh in rows if not fresh])
        made = _runs(plain, [row[0] for row in rows])
        for number, key, code, detail, fresh in rows:
            if fresh:
                found[project_id, key] = Known(id=number, code=code, detail=detail, runs=made.get(number, ()))
    return found


def came_before(session: Session, bodies: Collection[Key], *, since: datetime, lately: datetime) -> dict[Key, bool]:
    """Return those (project, digest) whose very body was taken in `since` then, under whatever key, and if `lately`."""
    plain, found = Plain(session), dict[Key, bool]()
    edges = (plain.time(lately), plain.time(since))
    for project_id, some in by_project(bodies):
        rows = plain.rows(f"{REPLAYED}{marks(some)} GROUP BY digest", (*edges, project_id, *some))
        found |= {(project_id, digest): bool(is_late) for digest, is_late in rows}
    return found


def take_in(session: Session, decided: Sequence[Decided]) -> None:
    """Insert deliveries that their senders signed."""
    plain = Plain(session)
    rows = [
        (one.id, *_row(plain, one.project_id, one.new), one.new.key, one.body, ACCEPTED, one.code, one.detail)
        for one in decided
    ]
    plain.insert("delivery", ("id", *COLUMNS), rows)


def refuse(session: Session, refused: Sequence[Refused]) -> None:
    """Keep deliveries that start nothing, for their project's owner to look at; the oldest beyond a limit go.

    They never take the key: whoever cannot sign must not keep the real delivery of that key out, and a delivery
    refused for our settings can be sent again. Those for no project are forgotten at once, at the same cost.
    """
    plain = Plain(session)
    rows = [
        (
            *_row(plain, one.project_id, one.new),
            f"{OURS}refused:{token_hex(16)}",
            one.new.body[:REFUSED_BODY],
            *(REFUSED, one.code, one.detail),
        )
        for one in refused
    ]
    plain.insert("delivery", COLUMNS, rows)
    for project_id in sorted({one.project_id or 0 for one in refused}):
        _forget_refused(session, project_id or None)


def kept(session: Session, delivery_id: int) -> Kept | None:
    """Return a delivery as it was kept, if there is one of that number."""
    row = session.get(DeliveryRow, delivery_id)
    if row is None:
        return None
    body = row.body or _same_body(session, row)
    return Kept(
        id=row.id,
        project_id=row.project_id,
        forge=row.forge,
        source=row.source,
        event=row.event,
        headers=row.headers,
        body=body,
        whole=hashlib.sha256(body).hexdigest() == row.digest,
        received_at=row.received_at,
    )


def _same_body(session: Session, row: DeliveryRow) -> bytes:
    """Return the body that was kept with another delivery of the very same one; a body is kept only once."""
    same = (DeliveryRow.project_id == row.project_id, DeliveryRow.digest == row.digest)
    found = select(DeliveryRow.body).where(*same, func.length(DeliveryRow.body) > 0).limit(1)
    return session.scalar(found) or b""


def keys_from(session: Session, project_id: int, prefix: str) -> int:
    """Return how many deliveries of a project have a key that begins so."""
    after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    mine = (DeliveryRow.project_id == project_id, DeliveryRow.key >= prefix, DeliveryRow.key < after)
    return session.scalar(select(func.count()).select_from(DeliveryRow).where(*mine)) or 0


def prune(session: Session, *, before: datetime, refused_before: datetime, limit: int = 500) -> int:
    """Forget at most so many deliveries from before then, and return how many; their runs stay.

    Deliveries are numbered as they come: the oldest are the first, and no index on their time is needed.
    """
    first = select(DeliveryRow.id, DeliveryRow.received_at).order_by(DeliveryRow.id).limit(limit)
    old = [row.id for row in session.execute(first) if row.received_at < before]
    for_nothing = first.where(IS_REFUSED)
    old += [row.id for row in session.execute(for_nothing) if row.received_at < refused_before and row.id not in old]
    for some in chunks(old[:limit]):
        session.execute(update(RunRow).where(RunRow.delivery_id.in_(some)).values(delivery_id=None))
        session.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(some)))
    return len(old[:limit])


def _runs(plain: Plain, ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
    made: dict[int, tuple[int, ...]] = {}
    if ids:
        query = f"SELECT delivery_id, id FROM run WHERE delivery_id IN {marks(ids)} ORDER BY id"  # noqa: S608
        for delivery_id, run_id in plain.rows(query, ids):
            made[delivery_id] = (*made.get(delivery_id, ()), run_id)
    return made


def _forget_refused(session: Session, project_id: int | None) -> None:
    mine = DeliveryRow.project_id == project_id if project_id else DeliveryRow.project_id.is_(None)
    refused = (mine, IS_REFUSED)
    oldest = select(DeliveryRow.id).where(*refused).order_by(DeliveryRow.id.desc()).limit(1)
    edge = session.scalar(oldest.offset(MOST_REFUSED if project_id else 0))
    if edge is not None:
        session.execute(delete(DeliveryRow).where(*refused, DeliveryRow.id <= edge))


def _row(plain: Plain, project_id: int | None, new: NewDelivery) -> tuple[Any, ...]:
    said = (project_id, new.forge, new.event, as_json(new.headers), new.digest, new.source)
    return (*said, plain.time(new.at))
