"""Variables in Compose files, `${NAME:-default}` and its relatives, and the `.env` file that gives them values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.spec_words import show

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
SIGN = re.compile(r":?[-?+]")
LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]{0,254})\s*=\s*(.*)", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
LARGEST = 64 * 1024
DEEPEST = 8


class Unusable(Exception):
    """A text cannot be filled in."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


@dataclass(slots=True)
class Variables:
    """What may be filled in, and how much more of it this file may hold."""

    values: Mapping[str, str] = field(default_factory=dict)
    left: int = 1024**2

    def fill(self, text: str, depth: int = 0) -> str:
        """Return a text with its variables replaced. Raises Unusable for one that has no value."""
        if depth > DEEPEST:
            raise Unusable("variables are nested too deeply")
        parts, at, size = list[str](), 0, 0
        while (sign := text.find("$", at)) >= 0:
            found, end = self._one(text, sign, depth)
            parts += [text[at:sign], found]
            size += sign - at + len(found)
            at = end
            self.left -= len(found)
            if self.left < 0 or size > LARGEST:
                raise Unusable("the variables make this too large")
        return "".join([*parts, text[at:]])

    def _one(self, text: str, sign: int, depth: int) -> tuple[str, int]:
        """Return what stands for the variable at `sign`, and where the text goes on."""
        if text.startswith("$", sign + 1):
            return "$", sign + 2
        if not text.startswith("{", sign + 1):
            name = NAME.match(text, sign + 1)
            if name is None:
                raise Unusable(f"`$` begins a variable: write $$ for the sign itself in {show(text)}")
            return self._plain(name[0]), name.end()
        end = _closing(text, sign + 2)
        name = NAME.match(text, sign + 2, end)
        if name is None:
            raise Unusable(f"{show(text[sign : end + 1])} names no variable")
        return self._chosen(name[0], text[name.end() : end], depth), end + 1

    def _plain(self, name: str) -> str:
        if name not in self.values:
            raise Unusable(f"${name} has no value: give it one in .env, or write ${{{name}:-default}}")
        return self.values[name]

    def _chosen(self, name: str, rest: str, depth: int) -> str:
        if not rest:
            return self._plain(name)
        sign = SIGN.match(rest)
        if sign is None:
            raise Unusable(f"${{{name}{show(rest)}}} is not a form that is known; there are :-, -, :?, ?, :+ and +")
        word, value = rest[sign.end() :], self.values.get(name)
        there = bool(value) if sign[0].startswith(":") else value is not None
        match sign[0][-1]:
            case "-":
                return value or "" if there else self.fill(word, depth + 1)
            case "+":
                return self.fill(word, depth + 1) if there else ""
            case _ if there:
                return value or ""
            case _:
                raise Unusable(f"${name} has no value: {show(self.fill(word, depth + 1))}")


def dotenv(text: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """Return what an env file gives, and each line that cannot be read with what is wrong with it."""
    found: dict[str, str] = {}
    wrong: list[tuple[int, str]] = []
    variables = Variables(found)
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        said = LINE.fullmatch(line.strip())
        try:
            if said is None:
                raise Unusable(f"takes lines such as NAME=value, not {show(line.strip())}")
            found[said[1]] = _value(said[2], variables)
        except Unusable as unusable:
            wrong.append((number, unusable.sentence))
    return found, wrong


def _value(said: str, variables: Variables) -> str:
    if said[:1] not in {"'", '"'}:
        return variables.fill(re.split(r"(?:^|\s)#", said, maxsplit=1)[0].rstrip())
    quote = said[0]
    whole = re.fullmatch(r"'([^']*)'\s*(?:#.*)?" if quote == "'" else r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?', said)
    if whole is None:
        raise Unusable(f"the quote {quote} is not closed on this line")
    if quote == "'":
        return whole[1]
    # What is escaped is put aside, so that `\$` is no variable.
    text = variables.fill(re.sub(r"\\(.)", lambda one: "$$" if one[1] == "$" else one[0], whole[1]))
    return re.sub(r"\\(.)", lambda one: ESCAPES.get(one[1], one[1]), text)


def _closing(text: str, at: int) -> int:
    depth = 1
    while at < len(text):
        if text.startswith("${", at):
            depth, at = depth + 1, at + 2
            continue
        if text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise Unusable(f"a brace is not closed in {show(text)}")
