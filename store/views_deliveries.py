"""Deliveries as people and programs read them: what came in, what was decided about it, and which runs it made."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, func, literal_column, select
from sqlalchemy.orm import Session

from store.schema import DeliveryRow, ProjectRow, RunRow
from store.views import NEWEST, Page, View, below, listed, when

ACCEPTED, IGNORED, DUPLICATE, REFUSED = "accepted", "ignored", "duplicate", "refused"
VERDICTS = (ACCEPTED, IGNORED, DUPLICATE, REFUSED)
SOURCES = ("hook", "sweep", "redelivery")
USUAL_SOURCE = SOURCES[0]
BODY_SHOWN = 64 * 1024
HIDDEN = "(hidden)"
# What proves who sent something, and could be used again; a signature of this one body could not.
PROOFS = re.compile(r"token|secret|authorization|cookie|password|api-?key", re.ASCII | re.IGNORECASE)
# Never headers and bodies: they are large, and a list is read often.
LISTED = (
    DeliveryRow.id,
    DeliveryRow.forge,
    DeliveryRow.event,
    DeliveryRow.key,
    DeliveryRow.source,
    DeliveryRow.verdict,
    DeliveryRow.code,
    DeliveryRow.detail,
    DeliveryRow.received_at,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryFilter:
    """Which deliveries are wanted."""

    project: str | None = None
    forge: str | None = None
    code: str | None = None
    verdict: str | None = None
    source: str | None = None

    @property
    def seldom(self) -> bool:
        """Tell whether this is only for what is not usual."""
        usual = (self.code in {None, ACCEPTED}, self.verdict in {None, ACCEPTED}, self.source in {None, USUAL_SOURCE})
        return not all(usual)


EVERY = DeliveryFilter()


def deliveries(session: Session, wanted: DeliveryFilter = EVERY, page: Page = NEWEST) -> View:
    """Return what was received, newest first: never headers or bodies, which may hold what the sender would hide."""
    query = _listed().where(*_conditions(session, wanted), below(DeliveryRow.id, page))
    rows = session.execute(query.order_by(DeliveryRow.id.desc()).limit(page.limit + 1)).all()
    made = _runs(session, [row.id for row in rows])
    return listed([_delivery(row, made) for row in rows], page)


def delivery(session: Session, delivery_id: int) -> View | None:
    """Return a delivery with its headers and the beginning of its body, if there is one of that number."""
    row = session.execute(_listed().where(DeliveryRow.id == delivery_id)).one_or_none()
    if row is None:
        return None
    start = func.substr(DeliveryRow.body, 1, BODY_SHOWN, type_=LargeBinary)
    whole = select(DeliveryRow.headers, start, func.length(DeliveryRow.body), ProjectRow.secret).outerjoin(
        ProjectRow, ProjectRow.id == DeliveryRow.project_id
    )
    headers, body, size, secret = session.execute(whole.where(DeliveryRow.id == delivery_id)).one()
    return _delivery(row, _runs(session, [row.id])) | {
        "headers": without_proofs(headers, secret),
        "body": _masked((body or b"").decode(errors="replace"), secret),
        "body_size": size,
        "body_cut": size > BODY_SHOWN,
    }


def without_proofs(headers: Mapping[str, Any], secret: str | None) -> dict[str, str]:
    """Return headers for people to read: what could be used to pose as the sender is hidden."""
    return {
        name: HIDDEN if PROOFS.search(name) else _masked(str(value), secret) for name, value in sorted(headers.items())
    }


def _masked(text: str, secret: str | None) -> str:
    return text.replace(secret, HIDDEN) if secret else text


def _listed() -> Any:
    query: Any = select(*LISTED, ProjectRow.name.label("project"))
    return query.outerjoin(ProjectRow, ProjectRow.id == DeliveryRow.project_id)


def _conditions(session: Session, wanted: DeliveryFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.project:
        # By number, so that the index on (project, id) gives them in their order; not where another one has far fewer.
        known = session.scalar(select(ProjectRow.id).where(ProjectRow.name == wanted.project))
        yield (DeliveryRow.project_id + 0 if wanted.seldom else DeliveryRow.project_id) == (known or 0)
    if wanted.forge:
        yield DeliveryRow.forge == wanted.forge
    if wanted.source:
        yield from _seldom(DeliveryRow.source, wanted.source, usual=USUAL_SOURCE)
    if wanted.code:
        yield from _seldom(DeliveryRow.code, wanted.code, usual=ACCEPTED)
    if wanted.verdict == REFUSED:
        yield DeliveryRow.verdict == literal_column(f"'{REFUSED}'")
    elif wanted.verdict:
        yield DeliveryRow.verdict != REFUSED
    if wanted.verdict in {ACCEPTED, DUPLICATE}:
        yield from _seldom(DeliveryRow.code, wanted.verdict, usual=ACCEPTED)
    elif wanted.verdict == IGNORED:
        yield DeliveryRow.code != literal_column(f"'{ACCEPTED}'")
        yield DeliveryRow.code != DUPLICATE


def _seldom(column: Any, value: str, *, usual: str) -> Iterable[ColumnElement[bool]]:
    """Return the condition for a value; for one that is not the usual, as the index of those wants it said."""
    yield column == value
    if value != usual:
        yield column != literal_column(f"'{usual}'")


def _runs(session: Session, ids: Sequence[int]) -> dict[int, list[str]]:
    made: dict[int, list[str]] = {}
    found = select(RunRow.delivery_id, RunRow.id).where(RunRow.delivery_id.in_(ids)).order_by(RunRow.id)
    for delivery_id, run_id in session.execute(found):
        made.setdefault(delivery_id or 0, []).append(f"r{run_id}")
    return made


def _verdict(row: Any) -> str:
    """Return the one word for what became of a delivery; the table only tells who could sign from who could not."""
    if row.verdict == REFUSED:
        return REFUSED
    return row.code if row.code in {ACCEPTED, DUPLICATE} else IGNORED


def _delivery(row: Any, made: Mapping[int, list[str]]) -> View:
    return {
        "id": str(row.id),
        "project": row.project,
        "forge": row.forge,
        "event": row.event,
        "key": row.key,
        "source": row.source,
        "verdict": _verdict(row),
        "code": row.code,
        "detail": row.detail,
        "runs": made.get(row.id, []),
        "received_at": when(row.received_at),
    }
