"""Keys of a slipway.yml that somebody wrote a level too deep or too high, and what was meant by it."""

import re
from collections.abc import Mapping

from pydantic import BaseModel

Pattern = tuple[str | int, ...]
Parts = Mapping[Pattern, type[BaseModel]]
KINDS = {
    "build": "all",
    "test": "{in: SERVICE, run: COMMAND}",
    "deploy": "ENVIRONMENT",
    "task": "{image: IMAGE, run: COMMAND}",
}
SHORT = re.compile(r"[\w ,\[\]-]{1,60}")
NUMBERS = {1: "one level", 2: "two levels", 3: "three levels"}
OF_ONE = {"services": "the service", "stages": "the stage", "environments": "the environment"}


def keys(part: type[BaseModel] | None) -> list[str]:
    """Return the keys of a part as they are written."""
    return [field.alias or name for name, field in part.model_fields.items()] if part else []


def belongs(key: str, holder: Pattern, parts: Parts) -> str:
    """Return where a key that is none of its holder's belongs, above or one level below, or nothing."""
    for up in range(1, len(holder)):
        above = holder[:-up]
        if len(above) == 1 and above[0] in OF_ONE:
            break
        if key in keys(parts.get(above)):
            levels = sum(step != "#" for step in holder[len(above) :])
            return f"{_said(above)}, {NUMBERS.get(levels, 'some levels')} up"
    if len(holder) == 1 and key in keys(parts.get(())):
        return "the top of the file, one level up"
    below = [place for place in parts if place[: len(holder)] == holder and _is_next(place[len(holder) :])]
    named = [f"`{place[len(holder)]}`" for place in below if key in keys(parts[place])]
    return f"{' or '.join(named)}, one level down" if named else ""


def stage_of(name: str, value: object) -> str:
    """Return how a stage would be written that is given as one word or a list."""
    word = f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
    if name in {"build", "deploy"} and SHORT.fullmatch(word):
        return f"write `{name}: {{{name}: {word}}}`"
    kind = name if name in KINDS else "deploy"
    return f"write `{name}: {{{kind}: {KINDS[kind]}}}`"


def _said(place: Pattern) -> str:
    if place[-1] == "*":
        return OF_ONE[str(place[0])]
    return f"`{next(step for step in reversed(place) if step != '#')}`"


def _is_next(rest: Pattern) -> bool:
    return len(rest) == 1 or (len(rest) == 2 and rest[1] == "#")
