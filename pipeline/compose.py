"""Compose files as the format of services: read from the commit, checked, and turned into the words of slipway.yml."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.compose_keys import check_keys
from pipeline.compose_merge import fill, merge, normalise, own, share
from pipeline.compose_schema import check_schema
from pipeline.compose_service import translate
from pipeline.compose_text import Variables, dotenv
from pipeline.spec_load import Origin, Tree, read
from pipeline.spec_types import is_null
from pipeline.spec_words import Flaw, Place, Problem, few

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
MOST = 10


class Files(Protocol):
    """The files of one commit: a mapping will do."""

    def get(self, path: str, /) -> bytes | None:
        """Return a regular file, or None."""


@dataclass(slots=True)
class Composed:
    """The services of Compose files as slipway.yml would say them, where each part comes from, what is wrong."""

    services: dict[str, Any] = field(default_factory=dict)
    origins: dict[Place, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def compose(files: Files, names: Sequence[str]) -> Composed:
    """Return what Compose files say, those that come later having the last word. The files must be there."""
    found = Composed()
    base = posixpath.dirname(names[0]) if names else ""
    env = _env(files, posixpath.join(base, ".env"), found)
    whole = Tree(value={})
    for name in names[:MOST]:
        tree = _file(files, name, env)
        found.problems += told(tree)
        whole = merge(whole, tree) if isinstance(tree.value, dict) else whole
    if not found.problems:
        _translate(files, whole, base, env, found)
    return found


def told(tree: Tree) -> list[Problem]:
    """Return what is wrong with a tree, each with its file and line."""
    return [_problem(tree, flaw) for flaw in dict.fromkeys(tree.flaws)]


def _problem(tree: Tree, flaw: Flaw) -> Problem:
    file, line = tree.origin(flaw.place)
    return Problem(file=file, line=line, where=flaw.where, sentence=flaw.sentence)


def _env(files: Files, path: str, found: Composed) -> dict[str, str]:
    values, wrong = dotenv((files.get(path) or b"").decode(errors="replace"))
    found.problems += [Problem(file=path, line=line, where="", sentence=sentence) for line, sentence in wrong]
    return values


def _file(files: Files, name: str, env: Mapping[str, str]) -> Tree:
    tree = read(files.get(name) or b"", name)
    if is_null(tree.value) and not tree.flaws:
        tree.value = {}
    share(tree)
    fill(tree, Variables(env))
    if not isinstance(tree.value, dict):
        tree.flaws = tree.flaws or [Flaw((), "the file must hold keys and values such as `services:`")]
        return tree
    tree.flaws += few(check_schema(tree.value))
    unknown = {flaw.place for flaw in tree.flaws}
    tree.flaws += few(flaw for flaw in check_keys(tree.value) if flaw.place not in unknown)
    if not tree.flaws:
        normalise(tree)
    own(tree)
    return tree


def _translate(files: Files, whole: Tree, base: str, env: Mapping[str, str], found: Composed) -> None:
    def env_file(path: str, _place: Place) -> Mapping[str, str]:
        inside = posixpath.normpath(posixpath.join(base, path))
        data = None if inside.startswith(("/", "..")) else files.get(inside)
        if data is None:
            raise FileNotFoundError(path)
        values, wrong = dotenv(data.decode(errors="replace"))
        found.problems += [Problem(file=inside, line=line, where="", sentence=sentence) for line, sentence in wrong]
        return values

    for name, service in _services(whole):
        made = translate(name, service, base=base, env=env, env_file=env_file)
        whole.flaws += made.flaws
        found.services[name] = made.value
        at: Place = ("services", name)
        found.origins[at] = whole.origin(at)
        found.origins |= {at + place: whole.origin(source) for place, source in made.sources.items()}
    found.problems += told(whole)


def _services(whole: Tree) -> Iterator[tuple[str, Mapping[str, Any]]]:
    said = whole.value.get("services")
    for name, service in said.items() if isinstance(said, dict) else ():
        if isinstance(service, dict):
            yield name, service
