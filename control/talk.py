"""whoami and help."""

from collections.abc import Collection

from control.asking import Ask, Reply
from pipeline.grammar_words import ALIASES, USAGE
from pipeline.intents import Intent, Verb
from store import people


def whoami(ask: Ask, _intent: Intent) -> Reply:
    """Tell who Slipway takes somebody for."""
    known = people.ensure(ask.session, ask.actor, at=ask.at)
    name = f", {known.name}" if known.name else ""
    return Reply(text=f"You are {known.email}{name}.")


def help_with(intent: Intent, there: Collection[Verb]) -> Reply:
    """Tell how a verb is written, or which there are; only what acts is listed."""
    if intent.subject:
        verb = Verb(intent.subject)
        also = [alias for alias, meant in ALIASES.items() if meant is verb]
        words = f"\nAlso: {', '.join(also)}." if also else ""
        soon = "" if verb in there else f"\n`{verb.value}` is not there yet."
        return Reply(text=f"`{USAGE[verb]}`{words}{soon}")
    lines = [f"• `{USAGE[verb]}`" for verb in Verb if verb in there]
    mouths = "Say these in Slack after `/slipway`, or in a shell after `slipway chat`:"
    ref = "A REF is a branch, a tag, a revision of 7 digits or more, an environment, `latest` or `head`."
    return Reply(text="\n".join([mouths, *lines, ref]))
