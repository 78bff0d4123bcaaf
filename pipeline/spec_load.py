"""YAML 1.2 into plain values that remember their lines; nothing a file holds can make this slow or blow it up."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)

from pipeline.spec_words import Flaw, Place, show

BYTES = 256 * 1024
ALIASES = 100
DEPTH = 32
NODES = 20_000
LONGEST_REASON = 160
PLAIN = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]{1,15}"),
    "float": re.compile(r"[-+]?[0-9]{1,15}\.[0-9]{1,15}"),
}
# Tabs and line ends are the only control characters any value may hold; lone surrogates can be stored nowhere.
UNUSABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]")


Origin = tuple[str, int]


class Scalar(str):
    """A scalar as it is written, and what YAML 1.2 takes it for: text, null, bool, int or float."""

    kind: str = "text"


@dataclass(slots=True)
class Tree:
    """A file's values, the line of each place, and what was already wrong with it.

    What came from another file says where it stands there: `borrowed`.
    """

    value: Any = None
    file: str = ""
    lines: dict[Place, int] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)
    borrowed: dict[Place, Origin] = field(default_factory=dict)
    visits: int = 0

    def origin(self, place: Place) -> Origin:
        """Return the file and the line of a place, or of the nearest place around it that is in a file."""
        while place and place not in self.lines and place not in self.borrowed:
            place = place[:-1]
        return self.borrowed.get(place) or (self.file, self.lines.get(place, 0))

    def line(self, place: Place) -> int:
        """Return the line of a place, or of the nearest place around it that is in the file."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 0)


def read(data: bytes, file: str = "") -> Tree:
    """Return what a file holds. Keys that begin with `x-` are left out."""
    tree = Tree(file=file, lines={(): 1})
    try:
        root = _compose(_events(data))
        tree.value = None if root is None else _plain(root, (), tree)
    except _Stop as stop:
        tree.value = None
        tree.lines[()] = stop.line
        tree.flaws = [Flaw((), stop.sentence)]
    return tree


def plain(text: str) -> Scalar:
    """Return a scalar that was written without quotes."""
    scalar = Scalar(text)
    scalar.kind = next((kind for kind, form in PLAIN.items() if form.fullmatch(text)), "text")
    return scalar


class _Stop(Exception):
    def __init__(self, line: int, sentence: str) -> None:
        self.line = line
        self.sentence = sentence
        super().__init__(sentence)


@dataclass(slots=True)
class _Node:
    line: int
    scalar: Scalar | None = None
    is_map: bool = False
    children: list["_Node"] = field(default_factory=list)


def _events(data: bytes) -> Iterator[Event]:
    if len(data) > BYTES:
        raise _Stop(1, f"the file is larger than {BYTES // 1024} KiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Stop(data.count(b"\n", 0, error.start) + 1, "this is not UTF-8 text") from error
    yaml = YAML(typ="safe", pure=True)
    try:
        yield from yaml.parse(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _Stop(line, f"this is not YAML: {_why(error)}") from error
    except _Stop:
        raise
    except Exception as error:  # the parser meets hostile bytes with whatever comes to hand: ValueError, IndexError …
        raise _Stop(1, "this is not YAML that can be read") from error


def _compose(events: Iterable[Event]) -> _Node | None:
    """Build the nodes without recursion, so that the limits are kept while reading, not after."""
    root: _Node | None = None
    stack: list[tuple[_Node, str | None]] = []
    anchors: dict[str, _Node] = {}
    aliases = nodes = 0
    for event in events:
        nodes += 1
        aliases += isinstance(event, AliasEvent)
        if len(stack) > DEPTH or nodes > NODES or aliases > ALIASES:
            raise _Stop(event.start_mark.line + 1, _limit(len(stack), aliases))
        if isinstance(event, CollectionStartEvent):
            node = _Node(_line(event), is_map=isinstance(event, MappingStartEvent))
            stack.append((node, event.anchor))
            continue
        if isinstance(event, CollectionEndEvent):
            node, anchor = stack.pop()
        elif isinstance(event, AliasEvent):
            node, anchor = _aliased(event, anchors), None
        elif isinstance(event, ScalarEvent):
            node, anchor = _Node(_line(event), scalar=_scalar(event)), event.anchor
        else:
            if isinstance(event, DocumentEndEvent):
                nodes = 0
            continue
        if anchor:
            anchors[anchor] = node
        if stack:
            stack[-1][0].children.append(node)
        elif root is not None:
            raise _Stop(node.line, "a second document begins here; the file holds one")
        else:
            root = node
    return root


def _why(error: MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "'\\t'" in problem:
        return "a tab stands here; indent with spaces"
    return show(problem, most=LONGEST_REASON)


def _limit(depth: int, aliases: int) -> str:
    if depth > DEPTH:
        return f"this is nested deeper than {DEPTH}"
    return f"more than {ALIASES} aliases" if aliases > ALIASES else f"more than {NODES} values"


def _line(event: ScalarEvent | CollectionStartEvent) -> int:
    line: int = event.start_mark.line + 1
    if event.tag:
        raise _Stop(line, f"tags such as {show(event.tag)} mean nothing here")
    return line


def _aliased(event: AliasEvent, anchors: dict[str, _Node]) -> _Node:
    if event.anchor not in anchors:
        raise _Stop(event.start_mark.line + 1, f"alias *{show(event.anchor)} has no anchor before it")
    return anchors[event.anchor]


def _scalar(event: ScalarEvent) -> Scalar:
    return Scalar(event.value) if event.style else plain(event.value)


def _plain(node: _Node, place: Place, tree: Tree) -> Any:
    tree.visits += 1
    if tree.visits > NODES or len(place) > DEPTH:
        raise _Stop(node.line, "the aliases make this too large")
    if node.scalar is not None:
        if found := UNUSABLE.search(node.scalar):
            tree.flaws.append(Flaw(place, f"the character U+{ord(found[0]):04X} cannot be used"))
        return node.scalar
    if node.is_map:
        return _mapping(node, place, tree)
    found_list = []
    for index, child in enumerate(node.children):
        tree.lines[*place, index] = child.line
        found_list.append(_plain(child, (*place, index), tree))
    return found_list


def _mapping(node: _Node, place: Place, tree: Tree) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in zip(node.children[::2], node.children[1::2], strict=True):
        if key.scalar is None:
            raise _Stop(key.line, "a key must be one word")
        name = str(key.scalar)
        if name.startswith("x-"):
            continue
        here = (*place, name)
        if name in found:
            tree.flaws.append(
                Flaw(place, f"key `{show(name)}` is given twice: lines {tree.lines[here]} and {key.line}")
            )
            continue
        if UNUSABLE.search(name):
            tree.flaws.append(Flaw(place, f"the key `{show(name)}` holds a character that cannot be used"))
            continue
        tree.lines[here] = key.line
        found[name] = _plain(value, here, tree)
    return found
