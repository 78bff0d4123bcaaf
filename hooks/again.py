"""Kept deliveries once more: take one in again, or tell which secret signed it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from control.intake import Answer, take_in
from hooks.forges import DOORS, Door
from hooks.reading import read_events
from pipeline.errors import NotFound, Rejected
from pipeline.project import Project
from store import deliveries, projects
from store.deliveries import OURS, REDELIVERY, SWEEP, Kept, NewDelivery
from store.races import settled
from store.session import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Again:
    """What can be done with a delivery that was kept."""

    database: Database
    channel: str
    clock: Callable[[], datetime]

    def redeliver(self, delivery_id: int) -> Answer:
        """Check a delivery with its project's secret of today and decide anew. Raises NotFound or Rejected."""
        return settled(self.database, lambda session: self._redeliver(session, delivery_id))

    def verify(self, delivery_id: int, secret: str | None) -> tuple[bool, str]:
        """Tell whether a delivery is signed with a secret, or with its project's, and say so. Raises as above."""
        with self.database.read() as session:
            kept, door, project = _whole(session, delivery_id)
        if _holds(door, kept, secret or project.secret):
            return True, f"the signature is that of {'this secret' if secret else f'the secret of {project.name}'}"
        what = "this secret" if secret else f"the secret of {project.name}"
        return False, f"the signature is not that of {what}"

    def _redeliver(self, session: Session, delivery_id: int) -> Answer:
        kept, door, project = _whole(session, delivery_id)
        if not _holds(door, kept, project.secret):
            raise Rejected(
                f"delivery {delivery_id} is not signed with the secret of {project.name}",
                code="bad_signature",
                fix="Put the project's secret into the webhook's settings, and send it again from there.",
            )
        events = read_events(door, kept.headers, kept.body, project)
        prefix = f"{OURS}{REDELIVERY}:{kept.id}:"
        new = NewDelivery(
            forge=kept.forge,
            key=f"{prefix}{deliveries.keys_from(session, project.id, prefix) + 1}",
            event=kept.event,
            headers=kept.headers,
            body=kept.body,
            at=self.clock(),
            source=REDELIVERY,
        )
        return take_in(session, project, new, events, channel=self.channel)


def _whole(session: Session, delivery_id: int) -> tuple[Kept, Door, Project]:
    """Return a delivery of which all was kept, the door it came by, and its project. Raises NotFound or Rejected."""
    kept = deliveries.kept(session, delivery_id)
    if kept is None:
        raise NotFound(f"there is no delivery {delivery_id}", code="unknown_delivery")
    if kept.source == SWEEP:
        raise Rejected(f"delivery {delivery_id} was found by looking: nobody sent anything", code="nothing_sent")
    if not kept.whole:
        fix = "Have the forge send it again."
        raise Rejected(f"of delivery {delivery_id} only the beginning was kept", code="body_cut", fix=fix)
    door = DOORS.get(kept.forge)
    if door is None or kept.project_id is None:
        raise Rejected(f"delivery {delivery_id} came by a door that is no longer there", code="unknown_forge")
    return kept, door, projects.get(session, kept.project_id)


def _holds(door: Door, kept: Kept, secret: str) -> bool:
    """Tell whether a secret signed a delivery, and about when it came."""
    headers: Mapping[str, str] = kept.headers
    return door.verify_again(headers, kept.body, secret) and door.is_fresh(headers, kept.received_at.timestamp())
