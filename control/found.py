"""Take in what was seen at a repository's host as if it had been told: the same door, the same record."""

import hashlib
import json
from datetime import datetime

from sqlalchemy.orm import Session

from control.intake import Answer, take_in
from pipeline.project import Project
from pipeline.push import Push
from store.deliveries import OURS, SWEEP, NewDelivery


def take_in_seen(
    session: Session,
    project: Project,
    push: Push,
    *,
    look: str,
    at: datetime,
    channel: str,
    instead_of: int | None = None,
) -> Answer:
    """Take in a ref as it was seen; the same `look` seeing the same again is told what became of it the first time.

    `instead_of` is the run that asked, and is not taken for an answer.
    """
    seen = {"ref": push.ref, "before": push.before, "after": push.after}
    new = NewDelivery(
        forge=project.forge,
        key=f"{OURS}look:{look}:{hashlib.sha256(push.ref.encode()).hexdigest()[:16]}:{push.after}",
        event="look",
        headers={},
        body=json.dumps(seen).encode(),
        at=at,
        source=SWEEP,
    )
    return take_in(session, project, new, [push], channel=channel, instead_of=instead_of)
