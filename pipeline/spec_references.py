"""The words of a slipway.yml that are names of something else in it, and whether they can be meant there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pipeline.spec_types import is_null
from pipeline.spec_words import Flaw, Place, near, show

OURS = ("build", "builder", "release")


@dataclass(frozen=True, slots=True)
class Reference:
    """A word that must be the name of something: where it stands, itself, its group; `built` services only."""

    place: Place
    word: str
    group: str
    only: str = ""


def mapping(value: Any) -> Mapping[str, Any]:
    """Return keys and values, and none for anything else: what is wrong with that is told elsewhere."""
    return value if isinstance(value, Mapping) else {}


def words(value: Any) -> list[str]:
    """Return the texts of a list, and none for anything else."""
    return [word for word in value if isinstance(word, str)] if isinstance(value, list | tuple) else []


def of_stage(name: str, stage: Mapping[str, Any]) -> Iterator[Reference]:
    """Yield every word of a stage that must be the name of something."""
    at = ("stages", name)
    deploy = stage.get("deploy")
    target = {"to": deploy} if isinstance(deploy, str) else mapping(deploy)
    for kind in ("test", "task"):
        work = mapping(stage.get(kind))
        yield from _one((*at, kind, "in"), work.get("in"), "services", "built")
        yield from _several((*at, kind, "with"), work.get("with"), "services")
        yield from _one((*at, kind, "against"), work.get("against"), "environments")
    yield from _one((*at, "deploy", "to"), target.get("to"), "environments")
    yield from _several((*at, "build"), stage.get("build"), "services", "built")
    yield from _several((*at, "deploy", "services"), target.get("services"), "services", "built")
    yield from _several((*at, "needs"), stage.get("needs"), "stages")


def unfit(reference: Reference, service: Any) -> str:
    """Return why a service that is there cannot be meant here, or nothing."""
    if reference.only == "built" and _is_backing(service):
        return f"'{show(reference.word)}' has an `image` and is never built; this takes a service that is"
    return ""


def check_services(services: Mapping[str, Any]) -> Iterator[Flaw]:
    """Yield what does not hold together in and among services."""
    for name, service in services.items():
        said = [key for key in OURS if key in mapping(service)]
        if _is_backing(service) and said:
            at = ("services", name, said[0])
            yield Flaw(at, f"a service with an `image` is not built: leave out `image` or `{said[0]}`")
        builder = mapping(mapping(service).get("builder"))
        if builder and ("image" in builder) == ("dockerfile" in builder):
            yield Flaw(("services", name, "builder"), "a builder says exactly one of `image` and `dockerfile`")
        for index, word in enumerate(_depends(service)):
            if word not in services:
                at = ("services", name, "depends_on")
                yield Flaw((*at, index), f"no service '{show(word)}'{near(word, services)}")
    yield from _circle(services)


def _circle(services: Mapping[str, Any]) -> Iterator[Flaw]:
    graph = {name: [one for one in _depends(service) if one in services] for name, service in services.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
        yield Flaw(("services", circle[0], "depends_on"), f"services wait for each other: {' → '.join(circle)}")


def _depends(service: Any) -> list[str]:
    return words(mapping(service).get("depends_on"))


def _is_backing(service: Any) -> bool:
    image = mapping(service).get("image")
    return not is_null(image) and image != ""


def _one(place: Place, word: Any, group: str, only: str = "") -> Iterator[Reference]:
    if isinstance(word, str) and word:
        yield Reference(place, word, group, only)


def _several(place: Place, said: Any, group: str, only: str = "") -> Iterator[Reference]:
    for index, word in enumerate(said if isinstance(said, list) else ()):
        if isinstance(word, str):
            yield Reference((*place, index), word, group, only)
