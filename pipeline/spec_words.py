"""What is wrong with a slipway.yml, in sentences that name the file, the line and the key that was meant."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.errors import StageFailed
from pipeline.nearest import near as similar
from pipeline.nearest import shortened
from pipeline.spec_levels import belongs, keys, stage_of

Place = tuple[str | int, ...]
GROUPS = ("services", "stages", "environments")
SHOWN = 40
# Nobody reads more problems than this at once, or looks for the meant word among more names.
MOST = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong; line 0 means the file as a whole."""

    file: str
    line: int
    where: str
    sentence: str

    def __str__(self) -> str:
        """Return the problem as people and editors read it."""
        address = f"{self.file}:{self.line}" if self.line else self.file
        return f"{address} {self.where}: {self.sentence}" if self.where else f"{address}: {self.sentence}"


class SpecProblems(StageFailed):
    """The configuration cannot be used."""

    code = "bad_config"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        more = f" — and {len(lines) - 1} more" if len(lines) > 1 else ""
        super().__init__(f"{lines[0]}{more}" if lines else "", tail=lines)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A problem before its file and line are known: where in the tree it is, and what to say."""

    place: Place
    sentence: str

    @property
    def where(self) -> str:
        """The stage, service or environment it is about, or the group of them; empty for the file's own keys."""
        if self.place[:1] == ("trigger",) and len(self.place) > 1:
            return ".".join(show(step) for step in self.place[:-1][:2])
        if not self.place or self.place[0] not in GROUPS:
            return ""
        return ".".join(show(step) for step in self.place[:2])


def few(flaws: Iterable[Flaw]) -> Iterator[Flaw]:
    """Yield no more flaws than are told, and one more: to find and word all of a hostile file takes long."""
    return islice(flaws, MOST + 1)


def told_of(problems: Sequence[Problem]) -> list[Problem]:
    """Return what is told of problems: the first of them, and that there are more."""
    if len(problems) <= MOST:
        return list(problems)
    last = problems[MOST]
    more = Problem(file=last.file, line=0, where="", sentence="there is more wrong, told once this is mended")
    return [*problems[:MOST], more]


def translate(error: ValidationError, parts: Mapping[Place, type[BaseModel]]) -> Iterator[Flaw]:
    """Yield every error of pydantic in our words. `parts` tells which model is where; `*` stands for any name."""
    for one in error.errors(include_url=False):
        place: Place = one["loc"]
        yield Flaw(place, _sentence(one["type"], place, one.get("input"), one.get("ctx", {}), parts))


def near(word: str, choices: Collection[str], quote: str = "'") -> str:
    """Return the end of a sentence about an unknown word: what was likely meant, else what there is."""
    close = similar(word, choices, most=1) if len(choices) <= MOST else ()
    if close:
        return f" — did you mean {quote}{close[0]}{quote}?"
    return f"; there are: {shortened(choices)}" if choices else "; there are none"


def show(value: object, most: int = SHOWN) -> str:
    """Return a value as a sentence can hold it."""
    if isinstance(value, Mapping):
        return "keys and values"
    if isinstance(value, list | tuple):
        return "a list"
    text = "".join(char if char.isprintable() else "�" for char in str(value))
    return (text if len(text) <= most else f"{text[:most]}…") or "nothing"


def _sentence(
    kind: str, place: Place, value: object, context: Mapping[str, Any], parts: Mapping[Place, type[BaseModel]]
) -> str:
    key = _key(place)
    match kind:
        case "slipway":
            return f"{key} {context['sentence']}".strip()
        case "missing":
            return f"{key} is missing"
        case "extra_forbidden":
            return _unknown(key, place, parts)
        case "tuple_type":
            return f"{key} takes a list, not {show(value)}"
        case "model_type" | "dict_type" | "mapping_type" | "model_attributes_type":
            meant = f": {stage_of(str(place[1]), value)}" if _is_stage(place) else ""
            return f"{key} takes keys and values, not {show(value)}{meant}".strip()
        case _:
            return f"{key} cannot be {show(value)}".strip()


def _key(place: Place) -> str:
    named = [step for step in place if isinstance(step, str)]
    return f"`{show(named[-1])}`" if named else "the file"


def _is_stage(place: Place) -> bool:
    return len(place) == 2 and place[0] == "stages"


def _unknown(key: str, place: Place, parts: Mapping[Place, type[BaseModel]]) -> str:
    """Say of a key that cannot stand at `place` where it can, or which was likely meant."""
    holder = tuple(_pattern(place[:-1], index) for index in range(len(place) - 1))
    if where := belongs(str(place[-1]), holder, parts):
        return f"unknown key {key}: it belongs to {where}"
    return f"unknown key {key}{near(str(place[-1]), keys(parts.get(holder)), '`')}"


def _pattern(holder: Place, index: int) -> str:
    """Return a step of a place as `parts` has it: any name of a group is `*`, any item of a list `#`."""
    step = holder[index]
    if isinstance(step, int):
        return "#"
    return "*" if index == 1 and holder[0] in GROUPS else step
