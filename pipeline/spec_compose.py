"""The services of Compose files under those of slipway.yml, which adds to them and has the last word."""

from typing import Any

from pydantic_core import PydanticCustomError

from pipeline.compose import FILES, Composed, Files, compose
from pipeline.compose_merge import places
from pipeline.spec_load import Tree
from pipeline.spec_types import is_null
from pipeline.spec_values import file_names
from pipeline.spec_words import Flaw, Place, Problem, near, show

OWN = ("build", "builder", "image")
BOTH = ("image", "build")


def add_compose(tree: Tree, files: Files) -> list[Problem]:
    """Write what Compose files say into the tree of slipway.yml, and return what is wrong with them."""
    names = _names(tree, files)
    if not names:
        return []
    tree.value["compose"] = list(names)
    there = [name for name in names if files.get(name) is not None]
    for name in names:
        if name not in there:
            tree.flaws.append(Flaw(("compose",), f"there is no {show(name)} in this commit"))
    found = compose(files, there)
    services = tree.value.get("services")
    if services is None or is_null(services):
        tree.value["services"] = services = {}
    if isinstance(services, dict) and len(there) == len(names):
        _merge(tree, services, found, names)
    return found.problems


def _names(tree: Tree, files: Files) -> list[str]:
    """Return the Compose files that are meant: those that are named, else the one at the root."""
    said = tree.value.get("compose")
    if "compose" in tree.value:
        try:
            return list(file_names(said))
        except PydanticCustomError:
            return []
    first = next((name for name in FILES if files.get(name) is not None), None)
    return [] if first is None else [first]


def _merge(tree: Tree, services: dict[str, Any], found: Composed, names: list[str]) -> None:
    for name in [name for name in services if name not in found.services]:
        said = services[name] if isinstance(services[name], dict) else {}
        if not found.problems and not any(key in said for key in OWN):
            hint = near(name, list(found.services))
            where = " and ".join(names)
            sentence = f"no service '{show(name)}' in {where}{hint}; one of its own says `build` or `image`"
            tree.flaws.append(Flaw(("services", name), sentence))
    for name, service in found.services.items():
        at: Place = ("services", name)
        mine = services.get(name)
        mine = {} if is_null(mine) else mine
        if not isinstance(mine, dict):
            continue
        # One that is built after all is no backing service any more, and the other way round.
        for key, other in (BOTH, BOTH[::-1]):
            if key in mine and other not in mine:
                service.pop(other, None)
        services[name] = _under(mine, service, at, tree, found)


def _under(mine: Any, theirs: Any, place: Place, tree: Tree, found: Composed) -> Any:
    """Return what Compose says with what slipway.yml says over it, key by key."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        whole = {key: _under(mine.get(key), item, (*place, key), tree, found) for key, item in theirs.items()}
        if place not in tree.lines and place in found.origins:
            tree.borrowed[place] = found.origins[place]
        return whole | {key: item for key, item in mine.items() if key not in theirs}
    if mine is not None:
        return mine
    for step in places(theirs):
        if origin := found.origins.get(place + step):
            tree.borrowed[place + step] = origin
    return theirs
