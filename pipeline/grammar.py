"""The chat grammar: any line gives an intent or a mistake with a sentence, and nothing else ever happens."""

import re
from dataclasses import replace

from pipeline.grammar_verbs import PARSERS
from pipeline.grammar_words import ALIASES, USAGE, VERBS, clean
from pipeline.intents import Intent, Mistake, Verb
from pipeline.nearest import either, near
from pipeline.phrase import Confused, Phrase

LONGEST_LINE = 2000
LONGEST_REASON = 500
IMPLIED = {"/deploy": Verb.DEPLOY, "/rollback": Verb.ROLLBACK}
ADDRESSES = frozenset({"/slipway", "@slipway", "slipway"})
REASON = re.compile(r"(?:^|\s)because(?:\s|$)|:(?:\s|$)", re.IGNORECASE)


def parse(line: str) -> Intent | Mistake:
    """Return what a line asks for; `/deploy X` implies its verb, `/slipway X` and `@slipway X` do not."""
    if len(line) > LONGEST_LINE:
        return Mistake(sentence=f"That line has {len(line)} characters; the longest I read has {LONGEST_LINE}.")
    text, forced = _force(clean(line))
    phrase, reason = _reason(text)
    words = phrase.replace('"', "").split()
    implied = _address(words)
    loud = bool(words) and len(words[0]) > 1 and words[0].endswith("!")
    if loud:
        words[0] = words[0][:-1]
    understood = _understand(words, implied, reason)
    if isinstance(understood, Intent):
        return replace(understood, reason=reason, forced=forced or loud)
    return understood


def _understand(words: list[str], implied: Verb | None, reason: str) -> Intent | Mistake:
    verb = _verb(words, implied)
    if isinstance(verb, Mistake):
        return verb
    phrase = Phrase(words)
    try:
        intent = PARSERS[verb](phrase, verb)
        phrase.end()
    except Confused as confused:
        return Mistake(sentence=confused.sentence, suggestions=confused.suggestions, usage=USAGE[verb])
    if verb is Verb.REJECT and not reason:
        return Mistake(sentence="A rejection needs a reason.", usage=USAGE[verb])
    return intent


def _address(words: list[str]) -> Verb | None:
    """Take off the name that Slipway was called by and return the verb it implies."""
    if not words:
        return None
    first = words[0].lower()
    if first in IMPLIED or first in ADDRESSES:
        del words[0]
    return IMPLIED.get(first)


def _verb(words: list[str], implied: Verb | None) -> Verb | Mistake:
    """Take the verb off the words."""
    if not words:
        return implied or Verb.HELP
    first = words[0].lower()
    if implied is None and first not in VERBS:
        return _unknown(first)
    verb = implied or VERBS[words.pop(0).lower()]
    # `/deploy status` is status; only a verb's own name counts here, for an alias may be a service.
    if verb in IMPLIED.values() and words and words[0].lower() in set(Verb):
        return VERBS[words.pop(0).lower()]
    return verb


def _unknown(word: str) -> Mistake:
    close = near(word, [verb.value for verb in Verb]) or tuple(VERBS[one].value for one in near(word, ALIASES, 1))
    meant = f" Did you mean {either(close)}?" if close else " `help` lists what I do."
    return Mistake(sentence=f"I don't know `{word[:40]}`.{meant}", suggestions=close)


def _force(text: str) -> tuple[str, bool]:
    """Split off a ` !` that stands alone at the end; one that ends a word belongs to the word."""
    forced = text.endswith(" !")
    return (text[:-2].rstrip(), True) if forced else (text, False)


def _reason(text: str) -> tuple[str, str]:
    """Split off the reason; git refs cannot hold a colon, so the first one that ends a word begins it."""
    found = REASON.search(text)
    if found is None:
        return text, ""
    return text[: found.start()], text[found.end() :].strip(" \"'")[:LONGEST_REASON]
