"""Several Compose files, and what `<<` shares inside one, become one tree, as Compose itself puts them together."""

from collections.abc import Iterator
from typing import Any

from pipeline.compose_text import Unusable, Variables
from pipeline.spec_load import Origin, Scalar, Tree, plain
from pipeline.spec_words import Flaw, Place

Origins = dict[Place, Origin]
MERGE = "<<"
LISTED = ("environment", "labels", "args")
# A later file's list is added to the one before, except for these, which are one thing written as a list.
WHOLE = {"command", "test"}
ONCE = {"ports", "expose", "profiles", "env_file", "secrets"}


def share(tree: Tree) -> None:
    """Put what `<<` refers to where it is meant; a key that is written beside it wins."""
    tree.value = _shared(tree.value, (), tree)


def fill(tree: Tree, variables: Variables) -> None:
    """Replace every variable in a tree's values."""
    tree.value = _filled(tree.value, (), tree, variables)


def normalise(tree: Tree) -> None:
    """Write the short forms of services as the long ones, so that files can be put together key by key."""
    services = tree.value.get("services") if isinstance(tree.value, dict) else None
    for name, service in services.items() if isinstance(services, dict) else ():
        if isinstance(service, dict):
            _long(service, ("services", name), tree)


def merge(first: Tree, second: Tree) -> Tree:
    """Return two files as one; the second has the last word."""
    borrowed = dict(first.borrowed)
    value = _merged(first.value, second.value, ((), ()), second.borrowed, borrowed)
    return Tree(file=first.file, value=value, borrowed=borrowed)


def own(tree: Tree) -> None:
    """Note of every place of a tree which file and line it stands in, so that it can be put elsewhere."""
    tree.borrowed = {place: (tree.file, line) for place, line in tree.lines.items()} | tree.borrowed


def _shared(value: Any, place: Place, tree: Tree) -> Any:
    if isinstance(value, list):
        return [_shared(item, (*place, index), tree) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    found = {key: _shared(item, (*place, key), tree) for key, item in value.items()}
    if MERGE not in found:
        return found
    said = found.pop(MERGE)
    at = (*place, MERGE)
    sources = [((*at, index), one) for index, one in enumerate(said)] if isinstance(said, list) else [(at, said)]
    for source, one in sources:
        if not isinstance(one, dict):
            tree.flaws.append(Flaw(source, "`<<` takes keys and values, or a list of them"))
            continue
        for key, item in one.items():
            if key not in found:
                found[key] = item
                _move((*source, key), (*place, key), item, tree)
    return found


def _move(source: Place, target: Place, value: Any, tree: Tree) -> None:
    for step in places(value):
        if line := tree.lines.get(source + step):
            tree.lines[target + step] = line


def places(value: Any) -> Iterator[Place]:
    """Yield every place inside a value, its own first."""
    yield ()
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        for place in places(item):
            yield (key, *place)


def _filled(value: Any, place: Place, tree: Tree, variables: Variables) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, (*place, key), tree, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, (*place, index), tree, variables) for index, item in enumerate(value)]
    if not isinstance(value, Scalar) or "$" not in value:
        return value
    try:
        found = plain(variables.fill(value))
    except Unusable as unusable:
        tree.flaws.append(Flaw(place, unusable.sentence))
        return Scalar("1")
    if found.kind == "null":
        found.kind = "text"
    return found


def _long(service: dict[str, Any], place: Place, tree: Tree) -> None:
    if isinstance(build := service.get("build"), Scalar):
        service["build"] = {"context": build}
        _move((*place, "build"), (*place, "build", "context"), build, tree)
    if isinstance(service.get("env_file"), Scalar):
        service["env_file"] = [service["env_file"]]
    _unlist(service, place, tree)
    if isinstance(build := service.get("build"), dict):
        _unlist(build, (*place, "build"), tree)
    if isinstance(depends := service.get("depends_on"), list):
        at = (*place, "depends_on")
        for index, name in enumerate(depends):
            _move((*at, index), (*at, str(name)), name, tree)
        service["depends_on"] = {str(name): {} for name in depends}


def _unlist(holder: dict[str, Any], place: Place, tree: Tree) -> None:
    for key in LISTED:
        if isinstance(listed := holder.get(key), list):
            holder[key] = _pairs(listed, (*place, key), tree)


def _pairs(listed: list[Any], place: Place, tree: Tree) -> dict[str, Any]:
    """Return `[A=1, B]` as keys and values; one without a sign has none."""
    found: dict[str, Any] = {}
    for index, item in enumerate(listed):
        name, sign, value = str(item).partition("=")
        found[name] = Scalar(value) if sign else plain("")
        tree.lines[*place, name] = tree.lines.get((*place, index), 0)
    return found


def _merged(first: Any, second: Any, at: tuple[Place, Place], of_second: Origins, borrowed: Origins) -> Any:
    """Return two values as one; `at` is where they stand, in the result and in the second file."""
    here, there = at
    if isinstance(first, dict) and isinstance(second, dict):
        found = dict(first)
        for key, item in second.items():
            place = ((*here, key), (*there, key))
            if key in first:
                found[key] = _merged(first[key], item, place, of_second, borrowed)
            else:
                found[key] = item
                _borrow(place, item, of_second, borrowed)
        return found
    name = here[-1] if here else ""
    if isinstance(first, list) and isinstance(second, list) and name not in WHOLE:
        new = [index for index, item in enumerate(second) if name not in ONCE or item not in first]
        for offset, index in enumerate(new):
            _borrow(((*here, len(first) + offset), (*there, index)), second[index], of_second, borrowed)
        return first + [second[index] for index in new]
    for step in places(first):
        borrowed.pop(here + step, None)
    _borrow(at, second, of_second, borrowed)
    return second


def _borrow(at: tuple[Place, Place], value: Any, source: Origins, target: Origins) -> None:
    here, there = at
    for step in places(value):
        if origin := source.get(there + step):
            target[here + step] = origin
