"""cancel: ask a run to stop."""

from control.asking import Ask, Reply
from pipeline.errors import Rejected
from pipeline.intents import Intent
from pipeline.names import run_name
from pipeline.outcome import State
from pipeline.telling import because, person
from store import ends, messages, runs
from store.schema import RunRow


def cancel(ask: Ask, intent: Intent) -> Reply:
    """Ask a run to stop. What waits of it ends here; what runs is killed first, by its workers, within seconds."""
    number = int(intent.id[1:])
    if intent.id[0] == "d":
        sentence = f"A deployment cannot be cancelled yet; `rollback ENVIRONMENT` undoes {intent.id}."
        raise Rejected(sentence, code="not_yet")
    row = ask.session.get(RunRow, number)
    if row is None:
        raise Rejected(f"There is no run {run_name(number)}.", code="unknown_run")
    if State(row.state).ended:
        return Reply(text=f"{run_name(number)} has ended already: {row.state}.", code="already_ended")
    if row.cancel_requested:
        return Reply(text=f"{run_name(number)} is being cancelled already.", code="already_started")
    reason = f"by {person(ask.actor)}{because(intent.reason)}"
    runs.request_cancel(ask.session, number, reason)
    ends.end_waiting(ask.session, number, channel=ask.channel, at=ask.at)
    messages.touch(ask.session, "run", number, channel=ask.channel, at=ask.at)
    text = f"🚫 {person(ask.actor)} cancels {run_name(number)}{because(intent.reason)}."
    return Reply(text=text, everyone=True, runs=(number,))
