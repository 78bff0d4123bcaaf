"""From a webhook to an answer: what is decided about it is committed before the answer, with whatever else comes in.

Nothing here talks to anything but the database. What goes wrong is raised as the errors of pipeline.errors.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from control import intake
from control.intake import KEEP_DAYS, Answer, Arrival, Changed, Work
from hooks import payload
from hooks.again import Again
from hooks.forges import Door
from hooks.known import Projects
from hooks.reading import read_events
from pipeline.decide import speaks_of
from pipeline.errors import Rejected, Unauthorized, Unavailable
from pipeline.project import NAME, Project
from store.deliveries import OURS, NewDelivery, Refused
from store.races import settled
from store.session import Database
from store.together import Together

# What a sender may call a delivery: never what we call one, which begins with a space.
ID = re.compile(r"[\x21-\x7e]{1,200}")
# What is checked where there is no project, so that it takes as long; nobody can know this secret.
NOBODY = hashlib.sha256(b"nobody").hexdigest()
# A group of deliveries holds as many events as statements can carry with ease.
MOST_EVENTS = 500
TRIES = 3
# Where the address names no project, a stranger decides what is read and how many signatures are checked.
LARGEST_UNNAMED = 1024**2
MOST_MEANT = 10

__all__ = ["Answer", "Inbox", "Received"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A webhook: header names in lower case, the body as it came, and the project its address names, if any."""

    door: Door
    project: str | None
    headers: Mapping[str, str]
    body: bytes


@dataclass(kw_only=True, slots=True)
class Inbox:
    """Takes in webhooks; `channel` is where the runs' live messages go, `keep_days` how long an id is remembered."""

    database: Database
    channel: str
    clock: Callable[[], datetime]
    keep_days: int = KEEP_DAYS
    _projects: Projects = field(init=False, repr=False)
    _together: "Together[Work, Answer | Changed | None]" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make what all requests share."""
        self._projects = Projects(self.database)
        self._together = Together(self._commit, most=MOST_EVENTS, weight=_weight)

    def receive(self, received: Received) -> Answer:
        """Verify, decide and commit; return the answer. Raises Unauthorized, Rejected, or Unavailable."""
        new = _delivery(received, self.clock())
        for _ in range(TRIES):
            answer = self._together(self._understand(received, new))
            if isinstance(answer, Answer):
                return answer
            # The project was changed while we were checking: what was remembered of it holds no more.
            self._projects.read()
        raise Unavailable("the project is being changed just now; try again", code="busy")

    def redeliver(self, delivery_id: int) -> Answer:
        """Take a kept delivery in once more, as if it came now. Raises NotFound or Rejected."""
        return self._again.redeliver(delivery_id)

    def reverify(self, delivery_id: int, secret: str | None = None) -> tuple[bool, str]:
        """Tell whether a kept delivery is signed with this secret, or the project's, in words too. Raises Rejected."""
        return self._again.verify(delivery_id, secret)

    @property
    def _again(self) -> Again:
        return Again(database=self.database, channel=self.channel, clock=self.clock)

    def _understand(self, received: Received, new: NewDelivery) -> Arrival:
        """Return what a delivery says and whose it is. Raises Rejected, having kept what came.

        What is remembered of projects may only let in, and is checked again in the commit; nobody is refused by it.
        """
        about = _repository(received) if received.project is None else ""
        known = self._projects.remembered()
        while True:
            owner, signed = _signer(received, _meant(received, about, known), new.at)
            try:
                if owner is None or not signed:
                    raise _unsigned()
                events = read_events(received.door, received.headers, received.body, owner)
            except Rejected as fault:
                before, known = known, self._projects.read()
                if known is before:
                    self._refuse(new, owner, fault)
                    raise
                continue
            return Arrival(project=owner, new=new, events=events)

    def _refuse(self, new: NewDelivery, project: Project | None, fault: Rejected) -> None:
        owner = project.id if project else None
        self._together(Refused(project_id=owner, new=new, code=fault.code, detail=fault.sentence))

    def _commit(self, works: Sequence[Work]) -> list[Answer | Changed | None]:
        return settled(
            self.database,
            lambda session: intake.take_in_all(session, works, channel=self.channel, keep_days=self.keep_days),
        )


def _weight(work: Work) -> int:
    return len(work.events) if isinstance(work, Arrival) else 1


def _meant(received: Received, about: str, everyone: Mapping[str, Project]) -> list[Project]:
    """Return the projects whose secret may have signed this: the one its address names, or those the body means."""
    if received.project is not None:
        known = everyone.get(received.project) if NAME.fullmatch(received.project) else None
        candidates = [known] if known else []
    else:
        candidates = [one for one in everyone.values() if speaks_of(one, about)] if about else []
    return [one for one in candidates if one.forge in received.door.serves][:MOST_MEANT]


def _signer(received: Received, meant: Sequence[Project], at: datetime) -> tuple[Project | None, bool]:
    """Return the project whose secret signed this, or the one it can only have been meant for."""
    if not meant:
        received.door.verify(received.headers, received.body, NOBODY)
    for project in meant:
        if _holds(received, project.secret, at):
            return project, True
    return (meant[0] if len(meant) == 1 else None), False


def _unsigned() -> Unauthorized:
    return Unauthorized(
        "the signature is missing, or does not match the secret of this hook's project",
        fix="Put the project's secret into the webhook's settings; `slipway project secret NAME` makes another.",
    )


def _holds(received: Received, secret: str, at: datetime) -> bool:
    door, headers = received.door, received.headers
    return door.verify(headers, received.body, secret) and door.is_fresh(headers, at.timestamp())


def _repository(received: Received) -> str:
    """Return what an unverified body says it is about, only to find whose secret to check it with."""
    if len(received.body) > LARGEST_UNNAMED:
        return ""
    try:
        return received.door.repository(received.headers, received.body)
    except Rejected:
        return ""


def _delivery(received: Received, at: datetime) -> NewDelivery:
    """Return what is kept; no cookie, no authorization, no secret."""
    door, given = received.door, received.door.given_id(received.headers)
    named = ID.fullmatch(given) is not None
    event = payload.clean(received.headers.get(door.event_header, "push"))[:100]
    return NewDelivery(
        forge=door.name,
        key=given if named else f"{OURS}sha256:{hashlib.sha256(received.body).hexdigest()}",
        event=event,
        headers=door.remember(received.headers, received.body),
        body=received.body,
        at=at,
        signed_key=named and door.sent_at(received.headers) is not None,
        counted=event if event in door.events else "other",
    )
