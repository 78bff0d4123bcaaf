"""approve, reject: let a stranger's pull request be run, or not."""

from control.asking import Ask, Reply
from control.cancel import cancel
from pipeline.errors import Conflict, NotFound, Rejected
from pipeline.intents import Intent
from pipeline.names import run_name, short
from pipeline.outcome import State
from pipeline.telling import because, person
from store import messages, runs
from store.schema import RunRow


def approve(ask: Ask, intent: Intent) -> Reply:
    """Let a run that waits for somebody begin: of the commit it was made of, and without secrets all the same."""
    row = _waiting(ask, intent)
    runs.approve(ask.session, row.id, ask.actor, at=ask.at)
    messages.touch(ask.session, "run", row.id, channel=ask.channel, at=ask.at)
    what = f"{run_name(row.id)} (`{short(row.revision)}` of pull request {row.pull_request})"
    text = f"✅ {person(ask.actor)} lets {what} run{because(intent.reason)}. It gets no secrets."
    return Reply(text=text, everyone=True, runs=(row.id,))


def reject(ask: Ask, intent: Intent) -> Reply:
    """Let a run that waits for somebody never begin."""
    _waiting(ask, intent)
    return cancel(ask, intent)


def _waiting(ask: Ask, intent: Intent) -> RunRow:
    """Return the run that waits. Raises Rejected if there is none, or it waits no longer."""
    number = int(intent.id[1:])
    if intent.id[0] != "r":
        raise Rejected("Deployments need no approval yet.", code="not_yet")
    row = ask.session.get(RunRow, number, with_for_update=True)
    if row is None:
        raise NotFound(f"There is no run {run_name(number)}.", code="unknown_run")
    if row.state != State.WAITING or row.cancel_requested:
        by = f" since {person(row.approved_by)} approved it" if row.approved_by else ""
        raise Conflict(f"{run_name(number)} waits for nobody{by}: it is {row.state}.", code="not_waiting")
    return row
