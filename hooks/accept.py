"""From a webhook to an answer: the delivery, its runs and their first jobs are one commit, made before the answer.

Nothing here talks to anything but the database. What goes wrong is raised as the errors of pipeline.errors.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from sqlalchemy.orm import Session

from hooks import payload
from hooks.forges import Door
from pipeline.decide import Start, decide, ref_name, speaks_of
from pipeline.errors import Rejected, Unauthorized
from pipeline.names import run_name, short
from pipeline.project import NAME, Project
from pipeline.push import Event, Ignored, Push
from store import deliveries, messages, projects, runs
from store.deliveries import NewDelivery
from store.races import settled
from store.session import Database

ID = re.compile(r"[\x21-\x7e]{1,200}")
LONGEST_HEADER = 1_000
DUPLICATE = "duplicate"
# What is checked where there is no project, so that it takes as long; nobody can know this secret.
NOBODY = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A webhook: header names in lower case, the body as it came, and the project its address names, if any."""

    door: Door
    project: str | None
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the sender is told."""

    status: int
    delivery: int
    runs: tuple[int, ...]
    code: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Verdict:
    """What became of one event."""

    code: str
    sentence: str
    run: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Inbox:
    """Takes in webhooks; `channel` is where the runs' live messages go."""

    database: Database
    channel: str
    clock: Callable[[], datetime]
    # SQLite lets writers try again after sleeps that grow, the unlucky for seconds: here they queue instead.
    _turn: Lock = field(default_factory=Lock, repr=False, compare=False)

    def receive(self, received: Received) -> Answer:
        """Verify, decide and commit; return the answer. Raises Unauthorized, Rejected, or Unavailable."""
        new = _delivery(received, self.clock())
        meant = self._projects(received)
        project = next(
            (one for one in meant if received.door.verify(received.headers, received.body, one.secret)), None
        )
        if project is None:
            return self._refuse(received, new, meant[0] if len(meant) == 1 else None, checked=len(meant))
        try:
            events = _read(received, project)
        except Rejected as fault:
            self._keep_refused(new, project, fault)
            raise
        with self._turn:
            return settled(self.database, lambda session: self._take_in(session, project, new, events))

    def _projects(self, received: Received) -> list[Project]:
        """Return the projects whose secret may have signed this: the one its address names, or those the body means."""
        with self.database.read() as session:
            if received.project is not None:
                known = projects.find(session, received.project) if NAME.fullmatch(received.project) else None
                candidates = [known] if known else []
            else:
                about = _repository(received)
                everyone = projects.everyone(session) if about else ()
                candidates = [one for one in everyone if speaks_of(one, about)]
        return [one for one in candidates if one.forge in received.door.serves]

    def _refuse(self, received: Received, new: NewDelivery, project: Project | None, *, checked: int) -> Answer:
        """Raise Unauthorized, having spent the same whether or not there is such a project."""
        if not checked:
            received.door.verify(received.headers, received.body, NOBODY)
        fault = Unauthorized(
            "the signature is missing, or does not match the secret of this hook's project",
            fix="Put the secret that `slipway project add` printed into the webhook's settings.",
        )
        self._keep_refused(new, project, fault)
        raise fault

    def _keep_refused(self, new: NewDelivery, project: Project | None, fault: Rejected) -> None:
        with self._turn, self.database.begin() as session:
            owner = project.id if project else None
            deliveries.refuse(session, owner, new, code=fault.code, detail=fault.sentence)

    def _take_in(self, session: Session, project: Project, new: NewDelivery, events: tuple[Event, ...]) -> Answer:
        known = deliveries.find(session, project.id, new.key)
        if known is not None:
            return _seen_before(known)
        delivery = deliveries.add(session, project, new)
        verdicts = [self._judge(session, project, delivery, new, event) for event in events]
        answer = _answer(delivery, verdicts)
        deliveries.decided(session, delivery, code=answer.code, detail=answer.detail)
        return answer

    def _judge(self, session: Session, project: Project, delivery: int, new: NewDelivery, event: Event) -> _Verdict:
        head = deliveries.head(session, project.id, event.ref) if isinstance(event, Push) else None
        decision = decide(project, event, head)
        if isinstance(decision, Ignored):
            return _Verdict(code=decision.code, sentence=decision.sentence)
        push = decision.push
        if head is not None and head.revision == push.after:
            run, made = head.run_id, False
        else:
            run, made = self._start(session, project, delivery, new, decision)
        if not made:
            return _Verdict(code=DUPLICATE, sentence=f"already handled as {run_name(run)}", run=run)
        sentence = f"{project.name} {short(push.after)} on {ref_name(push)} is {run_name(run)}"
        return _Verdict(code=deliveries.ACCEPTED, sentence=sentence, run=run)

    def _start(
        self, session: Session, project: Project, delivery: int, new: NewDelivery, start: Start
    ) -> tuple[int, bool]:
        """Return the run of a push and whether it was made now, with its first job and its live message."""
        run, made = runs.create(session, project, start.push, trigger="push", at=new.at, delivery_id=delivery)
        if not made and start.again and not deliveries.came_before(session, project.id, delivery, new.body):
            run, made = runs.create(
                session, project, start.push, trigger="push", at=new.at, delivery_id=delivery, again=start.again
            )
        if made:
            messages.touch(session, "run", run, channel=self.channel, at=new.at)
        return run, made


def _read(received: Received, project: Project) -> tuple[Event, ...]:
    events = received.door.parse(received.headers, received.body)
    for event in events:
        if event.repository and not speaks_of(project, event.repository):
            raise Rejected(
                f"this is about {event.repository}, and the hook is that of another repository",
                code="wrong_repository",
                fix=f"Add a project for it, or correct the URL of {project.name} if the repository was renamed.",
            )
    return events


def _repository(received: Received) -> str:
    """Return what an unverified body says it is about, only to find whose secret to check it with."""
    try:
        return received.door.repository(received.headers, received.body)
    except Rejected:
        return ""


def _seen_before(known: deliveries.Known) -> Answer:
    what = f"already handled as {_names(known.runs)}" if known.runs else f"already handled: {known.detail}"
    return Answer(status=200, delivery=known.id, runs=known.runs, code=DUPLICATE, detail=what)


def _answer(delivery: int, verdicts: Sequence[_Verdict]) -> Answer:
    """Return one answer for all refs of a delivery: accepted if any of them made a run."""
    codes = [verdict.code for verdict in verdicts]
    code = next((one for one in (deliveries.ACCEPTED, DUPLICATE) if one in codes), codes[0])
    return Answer(
        status=202 if code == deliveries.ACCEPTED else 200,
        delivery=delivery,
        runs=tuple(dict.fromkeys(verdict.run for verdict in verdicts if verdict.run is not None)),
        code=code,
        detail="; ".join(dict.fromkeys(verdict.sentence for verdict in verdicts)),
    )


def _names(numbers: tuple[int, ...]) -> str:
    return ", ".join(run_name(number) for number in numbers)


def _delivery(received: Received, at: datetime) -> NewDelivery:
    """Return what is kept: the headers that another verification needs, and no cookie or authorization."""
    given = received.headers.get(received.door.id_header, "")
    kept = ("content-type", "user-agent", *received.door.headers)
    headers = {
        name: payload.clean(received.headers[name])[:LONGEST_HEADER] for name in kept if name in received.headers
    }
    return NewDelivery(
        forge=received.door.name,
        key=given if ID.fullmatch(given) else f"sha256:{hashlib.sha256(received.body).hexdigest()}",
        event=payload.clean(received.headers.get(received.door.event_header, "push"))[:100],
        headers=headers,
        body=received.body,
        at=at,
    )
