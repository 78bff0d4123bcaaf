"""From a line to what is done about it and what is said: the one way for every mouth."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from control import look
from control.approve import approve, reject
from control.asking import Ask, Reply
from control.build import build
from control.cancel import cancel
from control.deploy import deploy
from control.pause import pause, resume
from control.retry import retry
from control.rollback import rollback
from control.talk import help_with, whoami
from pipeline.errors import Rejected
from pipeline.grammar import parse
from pipeline.intents import Intent, Mistake, Verb, as_json
from pipeline.names import deployment_name, run_name
from store import people, replies
from store.replies import Once
from store.session import Database

VERBS: dict[Verb, Callable[[Ask, Intent], Reply]] = {
    Verb.DEPLOY: deploy,
    Verb.ROLLBACK: rollback,
    Verb.BUILD: build,
    Verb.APPROVE: approve,
    Verb.REJECT: reject,
    Verb.CANCEL: cancel,
    Verb.RETRY: retry,
    Verb.PAUSE: pause,
    Verb.RESUME: resume,
    Verb.STATUS: look.status,
    Verb.WHERE: look.where,
    Verb.HISTORY: look.past,
    Verb.WHOAMI: whoami,
    Verb.HELP: lambda _ask, intent: help_with(intent, VERBS),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """What a line was understood as, and the answer."""

    intent: Intent | None
    reply: Reply

    def as_json(self) -> dict[str, Any]:
        """Return it as the API, `slipway chat --json` and the database keep it."""
        return {
            "intent": as_json(self.intent) if self.intent else None,
            "reply": self.reply.text,
            "code": self.reply.code,
            "everyone": self.reply.everyone,
            "deployments": [deployment_name(one) for one in self.reply.deployments],
            "runs": [run_name(one) for one in self.reply.runs],
        }


def say(database: Database, line: str, *, actor: str, channel: str, at: datetime) -> Spoken:
    """Do what a line says in a transaction of its own."""
    with database.begin() as session:
        return speak(Ask(session=session, at=at, actor=actor, channel=channel), line)


def do(
    database: Database, intent: Intent, *, actor: str, channel: str, at: datetime, once: Once | None = None
) -> Reply:
    """Do one thing in a transaction of its own. Raises Rejected, having done nothing, if it cannot be done.

    What was asked before with the key of `once` is not done again, and answered as it was.
    """
    with database.begin() as session:
        if once and (before := replies.find(session, once, by=actor, at=at)):
            return _kept(before)
        people.ensure(session, actor, at=at)
        reply = VERBS[intent.verb](Ask(session=session, at=at, actor=actor, channel=channel), intent)
        if once:
            replies.keep(session, once, asdict(reply), at=at)
        return reply


def speak(ask: Ask, line: str) -> Spoken:
    """Do what a line says in the caller's transaction; a refusal undoes only what the verb has done."""
    people.ensure(ask.session, ask.actor, at=ask.at)
    understood = parse(line)
    if isinstance(understood, Mistake):
        return Spoken(intent=None, reply=_mistaken(understood))
    return Spoken(intent=understood, reply=act(ask, understood))


def act(ask: Ask, intent: Intent) -> Reply:
    """Do what is asked, or say why not."""
    verb = VERBS.get(intent.verb)
    if verb is None:
        return Reply(text=f"`{intent.verb.value}` is not there yet. `help` lists what is.", code="not_yet")
    try:
        with ask.session.begin_nested():
            return verb(ask, intent)
    except Rejected as refusal:
        text = f"{refusal.sentence}\n{refusal.fix}" if refusal.fix else refusal.sentence
        return Reply(text=text, code=refusal.code)


def _kept(before: dict[str, Any]) -> Reply:
    lists = {name: tuple(before[name]) for name in ("deployments", "runs")}
    return Reply(**{**before, **lists, "replayed": True})


def _mistaken(mistake: Mistake) -> Reply:
    usage = f"\nUsage: `{mistake.usage}`" if mistake.usage else ""
    return Reply(text=f"{mistake.sentence}{usage}", code="not_understood")
