"""A phrase as its words are taken off one by one, and the small things words can be."""

import re
from collections.abc import Iterator

from pipeline.intents import Target
from pipeline.project import RESERVED

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
SERVICE = re.compile(rf"{NAME.pattern}(?:/{NAME.pattern})?")
REF = re.compile(r"(?!-)(?!.*\.\.)[^\s~^:?*\[\\]{1,255}")
SET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
ID = re.compile(r"#?([rda])-?([0-9]{1,12})", re.IGNORECASE)
# PostgreSQL's integers; it would refuse to look for a bigger one.
BIGGEST_ID = 2**31 - 1
PERCENT = re.compile(r"([0-9]{1,3})%?")
TIME = re.compile(r"(?:[0-9]{1,6}[smhd])+")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST_HOLD = 366 * 86_400
BETWEEN = frozenset({",", "and", "&"})
PLACES = frozenset({"to", "on", "in"})
NEXT_TARGET = re.compile(rf",(?={SERVICE.pattern}@)", re.IGNORECASE)


class Confused(Exception):
    """The words cannot be read on; the sentence is for the person who wrote them."""

    def __init__(self, sentence: str, suggestions: tuple[str, ...] = ()) -> None:
        self.sentence, self.suggestions = sentence, suggestions
        super().__init__(sentence)


class Phrase:
    """The words after the verb. Everything here takes what it returns."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._at = 0

    @property
    def next(self) -> str:
        """The next word in lower case, not taken; empty at the end."""
        return self._words[self._at].lower() if self._at < len(self._words) else ""

    def take(self, what: str) -> str:
        """Take a word, whatever it is."""
        if not self.next:
            raise Confused(f"Which {what}? The line ends too early.")
        self._at += 1
        return self._words[self._at - 1]

    def took(self, *words: str) -> bool:
        """Take the next word if it is one of these."""
        if self.next not in words or not self.next:
            return False
        self._at += 1
        return True

    def must(self, what: str, *words: str) -> None:
        """Take one of these words, or be confused."""
        if not self.took(*words):
            raise Confused(f"Which {what}? I expected `{words[0]}` {self._here()}.")

    def end(self) -> None:
        """Be confused if words are left."""
        if self.next:
            raise Confused(f"I did not expect `{self._words[self._at][:40]}`.")

    def name(self, what: str) -> str:
        """Take a name."""
        return self._matching(NAME, what)

    def service(self) -> str:
        """Take `service` or `project/service`."""
        return self._matching(SERVICE, "service")

    def id(self, kinds: str, what: str) -> str:
        """Take an id such as r87, #d142 or d-142 and return it without decoration."""
        word = self.take(what)
        found = ID.fullmatch(word)
        if found is None or found[1].lower() not in kinds or int(found[2]) > BIGGEST_ID:
            raise Confused(f"`{word[:40]}` is not a {what}: that is a number such as {kinds[0]}87.")
        return f"{found[1].lower()}{int(found[2])}"

    def percent(self) -> int:
        """Take a share of 1 to 100 %."""
        word = self.take("share")
        found = PERCENT.fullmatch(word)
        if found is None or not 1 <= int(found[1]) <= 100:
            raise Confused(f"`{word[:40]}` is not a share: that is 1% to 100%.")
        return int(found[1])

    def time(self) -> int:
        """Take a time such as 2h or 1h30m and return its seconds."""
        word = self.take("time")
        parts = re.findall(r"([0-9]+)([smhd])", word) if TIME.fullmatch(word) else []
        seconds = sum(int(number) * SECONDS[unit] for number, unit in parts)
        if not 1 <= seconds <= LONGEST_HOLD:
            raise Confused(f"`{word[:40]}` is not a time: that is 30m, 2h, 1h30m or 2d, a year at most.")
        return seconds

    def ref(self) -> Target:
        """Take `REF` or `set SET`."""
        if self.took("set"):
            return Target(set=self._set())
        return Target(ref=_ref(self.take("revision")))

    def targets(self, *stops: str) -> tuple[Target, ...]:
        """Take targets until one of these words or the end."""
        found: list[Target] = []
        while self.next and self.next not in stops:
            found.extend(self._target())
        return tuple(dict.fromkeys(found))

    def _target(self) -> Iterator[Target]:
        word = self.take("service").strip(",")
        if word.lower() in BETWEEN or not word:
            return
        if word.lower() == "set":
            yield Target(set=self._set())
        elif word.lower() == "all":
            yield Target(name="all")
        else:
            yield from _split(word)

    def _set(self) -> str:
        word = self.take("set").strip(",")
        if not SET.fullmatch(word):
            raise Confused(f"`{word[:40]}` is not the name of a set.")
        return word

    def _matching(self, pattern: re.Pattern[str], what: str) -> str:
        word = self.take(what)
        return _checked(word, pattern, what)

    def _here(self) -> str:
        return f"before `{self._words[self._at][:40]}`" if self.next else "at the end"


def _split(word: str) -> Iterator[Target]:
    """Yield the targets of `web,api@main`; a comma inside a ref stays, for git allows it."""
    for piece in NEXT_TARGET.split(word):
        names, at, ref = piece.partition("@")
        *plain, last = [name for name in names.split(",") if name] or [""]
        yield from (Target(name=_checked(name, SERVICE, "service")) for name in plain)
        yield Target(name=_checked(last, SERVICE, "service"), ref=_ref(ref) if at else "")


def _checked(word: str, pattern: re.Pattern[str], what: str) -> str:
    lower = word.lower()
    if lower in RESERVED or not pattern.fullmatch(lower):
        raise Confused(f"`{word[:40]}` cannot be the name of {'an' if what[0] in 'aeiou' else 'a'} {what}.")
    return lower


def _ref(word: str) -> str:
    ref = word.lower() if word.lower() in {"latest", "head"} else word
    if not REF.fullmatch(ref):
        raise Confused(f"`{word[:40]}` cannot be a branch, a tag or a revision.")
    return ref
