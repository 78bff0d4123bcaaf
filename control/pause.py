"""pause and resume: turn automatic deployments into an environment off and on, for every project in it."""

from control.asking import Ask, Reply
from control.places import names
from pipeline.intents import Intent
from pipeline.nearest import Choice, choose
from pipeline.telling import because, person
from store import environments, projects
from store.environments import Environment


def pause(ask: Ask, intent: Intent) -> Reply:
    """Pin an environment."""
    choice, everyone = _everyone(ask, intent.environment)
    for one in everyone:
        environments.pin(ask.session, one.id, by=ask.actor, reason=intent.reason or "paused")
    told = f"⏸ {person(ask.actor)} paused *{choice.name}*{because(intent.reason)}."
    return Reply(text=f"{told} Automatic deploys are off until `resume {choice.name}`.", everyone=True)


def resume(ask: Ask, intent: Intent) -> Reply:
    """Unpin an environment."""
    choice, everyone = _everyone(ask, intent.environment)
    pinned = [one for one in everyone if one.pinned]
    if not pinned:
        return Reply(text=f"*{choice.name}* is not paused: automatic deploys are on.", code="not_pinned")
    for one in pinned:
        environments.resume(ask.session, one.id)
    by = ", ".join(dict.fromkeys(person(one.pinned_by) for one in pinned))
    told = f"{person(ask.actor)} resumed *{choice.name}*, off since {by}: “{pinned[0].pin_reason}”."
    return Reply(text=f"{told} Automatic deploys are on again.", everyone=True)


def _everyone(ask: Ask, word: str) -> tuple[Choice, list[Environment]]:
    """Return the environment that is meant and every project's part of it, used before or not."""
    everyone = projects.everyone(ask.session)
    choice = choose(word, names(ask.session, everyone), "environment")
    having = [one for one in everyone if choice.name in names(ask.session, [one])]
    return choice, [environments.ensure(ask.session, one.id, choice.name, at=ask.at) for one in having]
