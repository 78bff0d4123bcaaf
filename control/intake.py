"""Take news of refs in: deliveries, the runs they start, and the end of the runs they replace, many in one go.

Whoever hears of a push comes this way: webhooks, somebody who sends one again, and a look at the repository.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from control.ledger import Ledger, Verdict, key_of
from pipeline.decide import BY_RULE, Deleted, decide, moved
from pipeline.names import run_name
from pipeline.project import Project
from pipeline.push import HEADS, Event, Ignored, Push
from store import deliveries, projects, refs, tallies
from store.deliveries import ACCEPTED, SWEEP, Decided, Known, NewDelivery, Refused
from store.plain import Plain

DUPLICATE = "duplicate"
KEEP_DAYS = 30
# Whoever has recorded a delivery can send it again under another name where the name is not signed.
REPLAY_SPAN = timedelta(minutes=10)
MOST_SENTENCES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the sender is told."""

    status: int
    delivery: int
    runs: tuple[int, ...]
    code: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """Events that a project's sender signed, with the project as it was when the signature was checked.

    `instead_of` is a run that asks for its ref's true tip: it is left out of what is known.
    """

    project: Project
    new: NewDelivery
    events: tuple[Event, ...]
    instead_of: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """What an arrival gets whose project was changed since its signature was checked: it must be checked again."""


Work = Arrival | Refused
Meaning = Push | Deleted | Ignored
Meanings = dict[int, list[tuple[Event, Meaning]]]


def take_in(
    session: Session,
    project: Project,
    new: NewDelivery,
    events: Sequence[Event],
    *,
    channel: str,
    instead_of: int | None = None,
) -> Answer:
    """Take in one delivery of a project as it stands, and return the answer.

    With source `sweep` the events are what was seen at the host: the ref is there now, whatever was told before.
    """
    # Webhooks hold the project as well: who of them and us comes second sees what the first has made.
    now = projects.current(session, {project.id})
    arrival = Arrival(project=now[project.id], new=new, events=tuple(events), instead_of=instead_of)
    (answer,) = _take_in(session, [arrival], now, channel=channel, keep_days=KEEP_DAYS)
    return answer


def take_in_all(
    session: Session, works: Sequence[Work], *, channel: str, keep_days: int
) -> list[Answer | Changed | None]:
    """Take in many deliveries, each as if it were alone, in this order; a refused one is only kept."""
    arrivals = [one for one in works if isinstance(one, Arrival)]
    now = projects.current(session, {one.project.id for one in arrivals}) if arrivals else {}
    valid = [one for one in arrivals if _same(one.project, now.get(one.project.id))]
    answers: dict[int, Answer] = dict(
        zip(map(id, valid), _take_in(session, valid, now, channel=channel, keep_days=keep_days), strict=True)
    )
    refused = [one for one in works if isinstance(one, Refused)]
    if refused:
        deliveries.refuse(session, refused)
    tallies.add(session, _counted(valid, answers, refused))
    return [None if isinstance(one, Refused) else answers.get(id(one), Changed()) for one in works]


def _counted(
    arrivals: Sequence[Arrival], answers: Mapping[int, Answer], refused: Sequence[Refused]
) -> Iterator[tuple[str, str, str]]:
    """Yield the forge, the event and the result of each; what somebody who could not sign calls it is not counted."""
    for one in arrivals:
        code = answers[id(one)].code
        yield one.new.forge, one.new.counted, code if code in {ACCEPTED, DUPLICATE} else "ignored"
    for other in refused:
        yield other.new.forge, tallies.NOBODYS, "refused"


def _same(checked: Project, now: Project | None) -> bool:
    """Tell whether all that a signature was checked against is as it was."""
    return now is not None and (checked.secret, checked.url, checked.forge) == (now.secret, now.url, now.forge)


def _take_in(
    session: Session, arrivals: Sequence[Arrival], now: dict[int, Project], *, channel: str, keep_days: int
) -> list[Answer]:
    if not arrivals:
        return []
    since = min(one.new.at for one in arrivals) - timedelta(days=keep_days)
    known = deliveries.find(session, {_key(one) for one in arrivals}, since=since)
    fresh = [one for one in arrivals if _key(one) not in known]
    meanings = _meanings(session, fresh, now)
    ledger = _ledger(session, fresh, meanings, channel=channel, since=since)
    numbers = iter(Plain(session).reserve("delivery", len(fresh)) if fresh else ())
    answers, decided = [], []
    for one in arrivals:
        if (before := known.get(_key(one))) is not None:
            answers.append(_seen_before(before))
            continue
        delivery = next(numbers)
        verdicts = [_judge(ledger, now[one.project.id], one.new, delivery, meant) for meant in meanings[id(one)]]
        again = not _is_itself(one.new) and ledger.came_before(one.project, one.new)
        ledger.came[one.project.id, one.new.digest] = True
        answer = _answer(delivery, verdicts)
        answers.append(answer)
        decided.append(
            Decided(
                id=delivery, project_id=one.project.id, new=one.new, code=answer.code, detail=answer.detail, again=again
            )
        )
        known[_key(one)] = Known(id=delivery, code=answer.code, detail=answer.detail, runs=answer.runs)
    deliveries.take_in(session, decided)
    ledger.write()
    return answers


def _meanings(session: Session, arrivals: Sequence[Arrival], now: Mapping[int, Project]) -> Meanings:
    """Return what the events mean; while newer rules wait to be read, the older ones refuse nothing."""
    meanings = _decided(arrivals, now)
    meant = [(now[one.project.id], meaning) for one in arrivals for _, meaning in meanings[id(one)]]
    refused = {project.id for project, meaning in meant if isinstance(meaning, Ignored) and meaning.code == BY_RULE}
    if not refused:
        return meanings
    unread = refs.unread(session, {(number, f"{HEADS}{now[number].default_branch}") for number in refused})
    unread |= {
        project.id for project, push in meant if isinstance(push, Push) and push.branch == project.default_branch
    }
    return _decided(arrivals, {**now, **{number: replace(now[number], rules=None) for number in unread}})


def _decided(arrivals: Sequence[Arrival], now: Mapping[int, Project]) -> Meanings:
    return {id(one): [(event, decide(now[one.project.id], event)) for event in one.events] for one in arrivals}


def _key(one: Arrival) -> deliveries.Key:
    return one.project.id, one.new.key


def _ledger(
    session: Session,
    arrivals: Sequence[Arrival],
    meanings: Meanings,
    *,
    channel: str,
    since: datetime,
) -> Ledger:
    """Read all that must be known about the refs that the arrivals speak of."""
    meant = [(one, event, meaning) for one in arrivals for event, meaning in meanings[id(one)]]
    named = {(one.project.id, ref) for one, event, meaning in meant if (ref := _ref(event, meaning))}
    pushed = [(one, meaning) for one, _, meaning in meant if isinstance(meaning, Push)]
    besides = next((one.instead_of for one in arrivals if one.instead_of is not None), None)
    made = refs.made_of(session, {(one.project.id, key_of(push)) for one, push in pushed})
    return Ledger(
        session=session,
        channel=channel,
        refs=refs.load(session, named, besides=besides) if named else {},
        made=made,
        numbers=iter(Plain(session).reserve("run", len(pushed)) if pushed else ()),
        came=_came(session, arrivals, since),
        asker=besides,
    )


def _came(session: Session, arrivals: Collection[Arrival], since: datetime) -> dict[deliveries.Key, bool]:
    """Return the bodies that came before where anybody could have sent them again, and if they came a moment ago."""
    unsigned = {(one.project.id, one.new.digest) for one in arrivals if not _is_itself(one.new)}
    if not unsigned:
        return {}
    lately = min(one.new.at for one in arrivals) - REPLAY_SPAN
    return deliveries.came_before(session, unsigned, since=since, lately=lately)


def _is_itself(new: NewDelivery) -> bool:
    """Tell whether nobody but the sender can have made this delivery, or we saw for ourselves."""
    return new.signed_key or new.source == SWEEP


def _ref(event: Event, meaning: Meaning) -> str | None:
    """Return the ref of which something must be known."""
    return moved(event, meaning) if isinstance(meaning, Ignored) else meaning.ref


def _judge(ledger: Ledger, project: Project, new: NewDelivery, delivery: int, meant: tuple[Event, Meaning]) -> Verdict:
    event, meaning = meant
    if isinstance(meaning, Ignored):
        if isinstance(event, Push) and moved(event, meaning):
            ledger.skip(project, event, at=new.at)
        return Verdict(code=meaning.code, sentence=meaning.sentence)
    if isinstance(meaning, Deleted):
        return ledger.delete(project, meaning, new=new, doubted=not _is_itself(new))
    return ledger.push(project, meaning, delivery=delivery, new=new, doubted=not _is_itself(new))


def _seen_before(known: Known) -> Answer:
    what = f"already handled as {_names(known.runs)}" if known.runs else f"already handled: {known.detail}"
    return Answer(status=200, delivery=known.id, runs=known.runs, code=DUPLICATE, detail=what)


def _answer(delivery: int, verdicts: Sequence[Verdict]) -> Answer:
    """Return one answer for all refs of a delivery: accepted if any of them made a run."""
    codes = [verdict.code for verdict in verdicts]
    code = next((one for one in (ACCEPTED, DUPLICATE) if one in codes), codes[0])
    sentences = list(dict.fromkeys(verdict.sentence for verdict in verdicts))
    more = len(sentences) - MOST_SENTENCES
    return Answer(
        status=202 if code == ACCEPTED else 200,
        delivery=delivery,
        runs=tuple(dict.fromkeys(verdict.run for verdict in verdicts if verdict.run is not None)),
        code=code,
        detail="; ".join(sentences[:MOST_SENTENCES] + ([f"and {more} more"] if more > 0 else [])),
    )


def _names(numbers: tuple[int, ...]) -> str:
    return ", ".join(run_name(number) for number in numbers)
