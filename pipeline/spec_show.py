"""The configuration in effect, each value with where it comes from: a file and its line, or a default."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.spec import Read, to_json
from pipeline.spec_load import Tree
from pipeline.spec_words import Place

DEFAULT = "default"
WIDEST = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """One value of the configuration, and its source: `compose.yaml:8`, or `default`."""

    place: Place
    value: Any
    source: str


def values(read: Read) -> Iterator[Shown]:
    """Yield every value in effect, in the order of the file. A list is one value."""
    yield from _values(read.tree, (), _told(read))


def as_yaml(read: Read, *, defaults: bool = True) -> str:
    """Return the configuration as YAML that can be read back, the source of each value behind it."""
    return "\n".join(_lines(read.tree, (), _told(read), defaults))


def _told(read: Read) -> dict[str, Any]:
    """Return the configuration without how backing services would be built: they are not."""
    value = to_json(read.spec)
    for service in value["services"].values():
        if service["image"]:
            del service["build"]
    return value


def _values(tree: Tree, place: Place, value: Any) -> Iterator[Shown]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _values(tree, (*place, key), item)
    else:
        yield Shown(place=place, value=value, source=source(tree, place))


def source(tree: Tree, place: Place) -> str:
    """Return where a value was written: there itself, or in the short form of what is around it."""
    there: Any = tree.value
    for depth, step in enumerate(place):
        if not isinstance(there, dict):
            return _said(tree, place[:depth])
        if step not in there:
            return DEFAULT
        there = there[step]
    return _said(tree, place)


def _said(tree: Tree, place: Place) -> str:
    if place not in tree.lines and place not in tree.borrowed:
        return DEFAULT
    file, line = tree.origin(place)
    return f"{file}:{line}"


def _lines(tree: Tree, place: Place, value: dict[str, Any], defaults: bool) -> Iterator[str]:
    for key, item in value.items():
        here = (*place, key)
        start = f"{'  ' * len(place)}{_key(key)}:"
        if isinstance(item, dict) and item:
            inside = list(_lines(tree, here, item, defaults))
            yield from [start, *inside] if inside else []
        elif defaults or source(tree, here) != DEFAULT:
            text = f"{start} {json.dumps(item, ensure_ascii=False)}"
            yield f"{text:<{WIDEST}}  # {source(tree, here)}"


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else json.dumps(key)
