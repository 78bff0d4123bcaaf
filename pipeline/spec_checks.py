"""What a slipway.yml says about itself must hold together: names, references, circles, one job a stage.

These look at the plain tree, not at the finished value, so that one wrong time does not hide a wrong name.
"""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pipeline.errors import Rejected
from pipeline.project import check_name
from pipeline.spec_words import GROUPS, Flaw, Place, near, show

KINDS = ("build", "test", "deploy", "task")


def check(tree: Mapping[str, Any]) -> Iterator[Flaw]:
    """Yield everything in which the file contradicts itself."""
    groups = {group: _mapping(tree.get(group)) for group in GROUPS}
    for group, things in groups.items():
        for name in things:
            yield from _name(group, name)
    for name in groups["environments"]:
        if name in groups["services"]:
            yield Flaw(("environments", name), f"environment '{name}' has the name of a service; choose another")
    yield from _mains(groups["services"])
    for name, stage in groups["stages"].items():
        if isinstance(stage, Mapping):
            yield from _stage(name, stage, groups)
    yield from _circle(groups["stages"])


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _name(group: str, name: str) -> Iterator[Flaw]:
    kind = group.removesuffix("s")
    try:
        check_name(name, kind)
    except Rejected as error:
        yield Flaw((group, name), error.sentence)
    if group == "stages" and name == "source":
        yield Flaw((group, name), "a stage named 'source' comes before all others by itself; choose another name")


def _mains(services: Mapping[str, Any]) -> Iterator[Flaw]:
    mains = [name for name, service in services.items() if str(_mapping(service).get("main")).lower() == "true"]
    for name in mains[1:]:
        yield Flaw(("services", name, "main"), f"only one service is the main one, and '{mains[0]}' is")


def _stage(name: str, stage: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]]) -> Iterator[Flaw]:
    said = [kind for kind in KINDS if kind in stage]
    if len(said) != 1:
        kinds = ", ".join(said) or "none of them"
        yield Flaw(("stages", name), f"a stage does exactly one of {', '.join(KINDS)}; this one says {kinds}")
    for place, word, group in _references(name, stage):
        if word not in groups[group]:
            what = group.removesuffix("s")
            yield Flaw(place, f"no {what} '{show(word)}'{near(word, groups[group])}")


def _references(name: str, stage: Mapping[str, Any]) -> Iterator[tuple[Place, str, str]]:
    """Yield every word of a stage that must be the name of something: its place, itself, its group."""
    test, deploy = _mapping(stage.get("test")), stage.get("deploy")
    target = {"to": deploy} if isinstance(deploy, str) else _mapping(deploy)
    singles = [("test", "in", test.get("in"), "services"), ("deploy", "to", target.get("to"), "environments")]
    for outer, inner, word, group in singles:
        if isinstance(word, str):
            yield ("stages", name, outer, inner), word, group
    lists = [
        (("build",), stage.get("build"), "services"),
        (("deploy", "services"), target.get("services"), "services"),
        (("needs",), stage.get("needs"), "stages"),
    ]
    for path, words, group in lists:
        for index, word in enumerate(words if isinstance(words, list) else ()):
            if isinstance(word, str):
                yield ("stages", name, *path, index), word, group


def _circle(stages: Mapping[str, Any]) -> Iterator[Flaw]:
    graph = {name: [need for need in _needs(stage) if need in stages] for name, stage in stages.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
        yield Flaw(("stages", circle[0], "needs"), f"stages form a circle: {' → '.join(circle)}")


def _needs(stage: Any) -> list[str]:
    needs = _mapping(stage).get("needs")
    return [need for need in needs if isinstance(need, str)] if isinstance(needs, list) else []
