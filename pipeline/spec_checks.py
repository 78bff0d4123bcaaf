"""What a slipway.yml says about itself must hold together: names, references, circles, one job a stage.

These look at the plain tree, not at the finished value, so that one wrong time does not hide a wrong name.
"""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pipeline.errors import Rejected
from pipeline.project import check_name
from pipeline.spec_references import check_services, mapping, of_stage, unfit, words
from pipeline.spec_words import GROUPS, Flaw, Place, near, show

KINDS = ("build", "test", "deploy", "task")


def check(tree: Mapping[str, Any]) -> Iterator[Flaw]:
    """Yield everything in which the file contradicts itself."""
    groups = {group: mapping(tree.get(group)) for group in GROUPS}
    for group, things in groups.items():
        for name in things:
            yield from _name(group, name)
    for name in groups["environments"]:
        if name in groups["services"]:
            yield Flaw(("environments", name), f"environment '{name}' has the name of a service; choose another")
    yield from _mains(groups["services"])
    yield from check_services(groups["services"])
    yield from _schedules(tree.get("trigger"), groups["stages"])
    for name, stage in groups["stages"].items():
        if isinstance(stage, Mapping):
            yield from _stage(name, stage, groups)
    yield from _circle(groups["stages"])


def _name(group: str, name: str) -> Iterator[Flaw]:
    kind = group.removesuffix("s")
    try:
        check_name(name, kind)
    except Rejected as error:
        yield Flaw((group, name), error.sentence)
    if group == "stages" and name == "source":
        yield Flaw((group, name), "a stage named 'source' comes before all others by itself; choose another name")


def _mains(services: Mapping[str, Any]) -> Iterator[Flaw]:
    mains = [name for name, service in services.items() if str(mapping(service).get("main")).lower() == "true"]
    for name in mains[1:]:
        yield Flaw(("services", name, "main"), f"only one service is the main one, and '{mains[0]}' is")


def _stage(name: str, stage: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]]) -> Iterator[Flaw]:
    said = [kind for kind in KINDS if kind in stage]
    if len(said) != 1:
        kinds = ", ".join(said) or "none of them"
        yield Flaw(("stages", name), f"a stage does exactly one of {', '.join(KINDS)}; this one says {kinds}")
    yield from _named(name, stage, groups)
    yield from _test(name, mapping(stage.get("test")), groups["services"])
    for kind in ("test", "task"):
        yield from _cut_off(("stages", name, kind), mapping(stage.get(kind)))
    task = mapping(stage.get("task"))
    if task and ("image" in task) == ("in" in task):
        yield Flaw(("stages", name, "task"), "a task says exactly one of `image` and `in`")


def _test(name: str, test: Mapping[str, Any], services: Mapping[str, Any]) -> Iterator[Flaw]:
    """Yield a command that is missing, and what is restored into a service that does not stand beside the test."""
    service = mapping(services.get(str(test.get("in"))))
    if test and "run" not in test and not (service.get("command") or service.get("profiles")):
        yield Flaw(("stages", name, "test", "run"), "`run` is missing")
    beside = words(test.get("with"))
    said = test.get("restore")
    for index, one in enumerate(said if isinstance(said, list) else [said]):
        into = mapping(one).get("into")
        if isinstance(into, str) and into not in beside:
            place = ("stages", name, "test", "restore", index, "into")
            yield Flaw(place, f"`into` takes a service that `with` names, not {show(into)}")


def _cut_off(at: Place, work: Mapping[str, Any]) -> Iterator[Flaw]:
    """Yield what a command without a network is to reach all the same."""
    for key in ("with", "against"):
        if work.get("network") == "none" and work.get(key):
            yield Flaw((*at, "network"), f"`network: none` reaches nothing, and `{key}` needs to be reached")


def _schedules(trigger: Any, stages: Mapping[str, Any]) -> Iterator[Flaw]:
    said = mapping(trigger).get("schedule")
    for index, one in enumerate(said if isinstance(said, list) else [said]):
        for number, word in enumerate(words(mapping(one).get("stages"))):
            if word not in stages:
                place = ("trigger", "schedule", index, "stages", number)
                yield Flaw(place, f"no stage '{show(word)}'{near(word, stages)}")


def _named(name: str, stage: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]]) -> Iterator[Flaw]:
    for reference in of_stage(name, stage):
        known = groups[reference.group]
        if reference.word not in known:
            what = reference.group.removesuffix("s")
            yield Flaw(reference.place, f"no {what} '{show(reference.word)}'{near(reference.word, known)}")
        elif wrong := unfit(reference, known[reference.word]):
            yield Flaw(reference.place, wrong)


def _circle(stages: Mapping[str, Any]) -> Iterator[Flaw]:
    graph = {name: [need for need in _needs(stage) if need in stages] for name, stage in stages.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
        yield Flaw(("stages", circle[0], "needs"), f"stages form a circle: {' → '.join(circle)}")


def _needs(stage: Any) -> list[str]:
    return words(mapping(stage).get("needs"))
