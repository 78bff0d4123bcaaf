"""How each verb is written: one small parser a verb, in the order of the grammar."""

from collections.abc import Callable

from pipeline.grammar_words import VERBS
from pipeline.intents import Intent, Target, Verb
from pipeline.nearest import either, near
from pipeline.phrase import ID, PLACES, SERVICE, Confused, Phrase

STRATEGIES = ("rolling", "canary", "blue-green", "recreate")


def _deploy(phrase: Phrase, verb: Verb) -> Intent:
    targets = phrase.targets("to", "on", "in", "using")
    if not targets:
        raise Confused("What should be deployed?")
    environment = phrase.name("environment") if phrase.took(*PLACES) else ""
    strategy, percent = _strategy(phrase) if phrase.took("using") else ("", None)
    return Intent(verb=verb, targets=targets, environment=environment, strategy=strategy, percent=percent)


def _rollback(phrase: Phrase, verb: Verb) -> Intent:
    targets = phrase.targets("on", "in", "to")
    if phrase.took("on", "in"):
        environment = phrase.name("environment")
    else:
        targets, environment = (), _only_name(targets)
    if not environment:
        raise Confused("Roll back which environment?")
    back_to = phrase.ref() if phrase.took("to") else None
    return Intent(verb=verb, targets=targets, environment=environment, back_to=back_to)


def _promote(phrase: Phrase, verb: Verb) -> Intent:
    targets = phrase.targets("from", "to")
    if phrase.took("from"):
        source = phrase.name("environment")
    else:
        targets, source = (), _only_name(targets)
    if not source:
        raise Confused("Promote from which environment?")
    phrase.must("environment", "to")
    return Intent(verb=verb, targets=targets, source=source, environment=phrase.name("environment"))


def _decide(phrase: Phrase, verb: Verb) -> Intent:
    return Intent(verb=verb, id=phrase.id("rda", "run"))


def _canary(phrase: Phrase, verb: Verb) -> Intent:
    number = phrase.id("d", "deployment") if ID.fullmatch(phrase.next) else ""
    environment = "" if number else phrase.name("environment")
    percent = phrase.percent() if verb is Verb.ADVANCE and phrase.took("to") else None
    return Intent(verb=verb, id=number, environment=environment, percent=percent)


def _build(phrase: Phrase, verb: Verb) -> Intent:
    project, *stages = phrase.targets() or (Target(),)
    if project.set or "/" in project.name or project.name in {"", "all"}:
        raise Confused("Build which project? One at a time, by its name.")
    if odd := next((one for one in stages if one.ref or one.set or "/" in one.name), None):
        raise Confused(f"`{odd}` cannot be a stage. After the project come names of its stages.")
    return Intent(verb=verb, targets=(project,), words=tuple(one.name for one in stages))


def _cancel(phrase: Phrase, verb: Verb) -> Intent:
    return Intent(verb=verb, id=phrase.id("rd", "run"))


def _retry(phrase: Phrase, verb: Verb) -> Intent:
    return Intent(verb=verb, id=phrase.id("rd", "run"), subject=phrase.name("stage") if phrase.next else "")


def _lock(phrase: Phrase, verb: Verb) -> Intent:
    targets = phrase.targets("on", "in", "for")
    if phrase.took("on", "in"):
        environment = phrase.name("environment")
    else:
        targets, environment = (), _only_name(targets)
    if not environment:
        raise Confused(f"{verb.value.capitalize()} which environment?")
    return Intent(
        verb=verb, targets=targets, environment=environment, seconds=phrase.time() if phrase.took("for") else None
    )


def _unlock(phrase: Phrase, verb: Verb) -> Intent:
    targets = phrase.targets("on", "in")
    if targets == (Target(name="all"),) and not phrase.next:
        return Intent(verb=verb, targets=targets)
    if phrase.took("on", "in"):
        return Intent(verb=verb, targets=targets, environment=phrase.name("environment"))
    environment = _only_name(targets)
    if not environment:
        raise Confused("Unlock which environment?")
    return Intent(verb=verb, environment=environment)


def _place(phrase: Phrase, verb: Verb) -> Intent:
    return Intent(verb=verb, environment=phrase.name("environment"))


def _look(phrase: Phrase, verb: Verb) -> Intent:
    """Read `status X`: an id, or a name that only the verb knows to be an environment or a service."""
    if not phrase.next:
        return Intent(verb=verb)
    if ID.fullmatch(phrase.next):
        return Intent(verb=verb, id=phrase.id("rda", "run"))
    return Intent(verb=verb, subject=phrase.service())


def _sets(phrase: Phrase, verb: Verb) -> Intent:
    return Intent(verb=verb, subject=phrase.take("set") if phrase.next else "")


def _diff(phrase: Phrase, verb: Verb) -> Intent:
    if phrase.next == "set":
        return Intent(verb=verb, targets=(phrase.ref(), phrase.ref()))
    first, second = phrase.take("environment"), phrase.take("environment")
    if ".." in second:
        older, _, newer = second.partition("..")
        return Intent(verb=verb, subject=first.lower(), words=(older, newer.lstrip(".")))
    if not (SERVICE.fullmatch(first.lower()) and SERVICE.fullmatch(second.lower())):
        raise Confused("I can compare two environments, two sets, or a service's revisions.")
    return Intent(verb=verb, source=first.lower(), environment=second.lower())


def _log(phrase: Phrase, verb: Verb) -> Intent:
    return Intent(verb=verb, id=phrase.id("rd", "run"), subject=phrase.name("stage") if phrase.next else "")


def _subscribe(phrase: Phrase, verb: Verb) -> Intent:
    project = phrase.name("project")
    words = []
    while phrase.next:
        words.append(phrase.take("event"))
    return Intent(verb=verb, subject=project, words=tuple(words))


def _link(phrase: Phrase, verb: Verb) -> Intent:
    return Intent(verb=verb, subject=phrase.take("code") if phrase.next else "")


def _alone(_phrase: Phrase, verb: Verb) -> Intent:
    return Intent(verb=verb)


def _help(phrase: Phrase, verb: Verb) -> Intent:
    word = phrase.take("verb").lower() if phrase.next else ""
    if word and word not in VERBS:
        close = near(word, VERBS)
        raise Confused(f"I don't know `{word[:40]}`." + (f" Did you mean {either(close)}?" if close else ""), close)
    return Intent(verb=verb, subject=VERBS[word].value if word else "")


def _strategy(phrase: Phrase) -> tuple[str, int | None]:
    word = phrase.take("strategy").lower()
    if word not in STRATEGIES:
        raise Confused(f"No strategy `{word[:40]}`. There are: {', '.join(STRATEGIES)}.", near(word, STRATEGIES))
    return word, phrase.percent() if phrase.next else None


def _only_name(targets: tuple[Target, ...]) -> str:
    """Return the one plain name among targets that must be an environment, or nothing."""
    if len(targets) != 1 or targets[0].ref or targets[0].set or "/" in targets[0].name:
        return ""
    return targets[0].name


PARSERS: dict[Verb, Callable[[Phrase, Verb], Intent]] = {
    Verb.DEPLOY: _deploy,
    Verb.ROLLBACK: _rollback,
    Verb.PROMOTE: _promote,
    Verb.APPROVE: _decide,
    Verb.REJECT: _decide,
    Verb.ADVANCE: _canary,
    Verb.ABORT: _canary,
    Verb.BUILD: _build,
    Verb.CANCEL: _cancel,
    Verb.RETRY: _retry,
    Verb.LOCK: _lock,
    Verb.UNLOCK: _unlock,
    Verb.PAUSE: _place,
    Verb.RESUME: _place,
    Verb.STATUS: _look,
    Verb.WHERE: _look,
    Verb.SETS: _sets,
    Verb.HISTORY: _look,
    Verb.DIFF: _diff,
    Verb.LOG: _log,
    Verb.LOCKS: _alone,
    Verb.SUBSCRIBE: _subscribe,
    Verb.UNSUBSCRIBE: _subscribe,
    Verb.LINK: _link,
    Verb.WHOAMI: _alone,
    Verb.HELP: _help,
}
