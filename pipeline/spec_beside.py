"""What a slipway.yml names beside itself: files there must be, and services that nobody runs where it deploys to."""

import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.spec import Read, Spec
from pipeline.spec_words import Place, Problem, show

ELSEWHERE = "Slipway runs no backing services in environments yet, so `env` must name one that runs elsewhere"


class Beside(Protocol):
    """The files that a configuration comes with."""

    def has(self, path: str, /) -> bool:
        """Tell whether there is a regular file."""

    def has_folder(self, path: str, /) -> bool:
        """Tell whether there is a directory."""


@dataclass(frozen=True, slots=True)
class _Named:
    place: Place
    path: str
    what: str = ""


def missing_files(read: Read, beside: Beside) -> list[Problem]:
    """Return what is named and not there: contexts, Dockerfiles, files to restore from."""
    return _problems(read, _contexts(read.spec), beside.has_folder) + _problems(
        read, (*_dockerfiles(read.spec, beside), *_restores(read)), beside.has
    )


def missing_restores(read: Read, has: Callable[[str], bool]) -> list[Problem]:
    """Return the files to restore from that are not there: otherwise they are missed only when all is built."""
    return _problems(read, _restores(read), has)


def undeployed(spec: Spec) -> Iterator[str]:
    """Yield a sentence for each service that will look in its environment for one that nobody runs there."""
    told: dict[str, None] = {}
    for stage in spec.stages.values():
        if stage.deploy is not None:
            told |= dict.fromkeys(undeployed_to(spec, stage.deploy.to))
    yield from told


def undeployed_to(spec: Spec, environment: str) -> tuple[str, ...]:
    """Return those sentences for one environment, all stages that deploy to it together."""
    deployed = {
        service
        for name, stage in spec.stages.items()
        if stage.deploy is not None and stage.deploy.to == environment
        for service in spec.uses(name)
    }
    return tuple(
        f"{name} depends on {need}, which is not deployed: {ELSEWHERE}"
        for name, service in spec.services.items()
        if name in deployed
        for need in service.depends_on
        if spec.services[need].image
    )


def _problems(read: Read, named: Iterable[_Named], there: Callable[[str], bool]) -> list[Problem]:
    found = []
    for one in named:
        if not there(one.path):
            file, line = read.tree.origin(one.place)
            where = ".".join(str(step) for step in one.place[:2])
            sentence = f"there is no {one.what}{show(one.path)} here"
            found.append(Problem(file=file, line=line, where=where, sentence=sentence))
    return found


def _contexts(spec: Spec) -> Iterator[_Named]:
    for name, service in spec.services.items():
        if not service.image:
            yield _Named(("services", name, "build", "context"), service.build.context, "directory ")


def _dockerfiles(spec: Spec, beside: Beside) -> Iterator[_Named]:
    for name, service in spec.services.items():
        at: Place = ("services", name)
        # Where there is no context, that is what is wrong.
        if not service.image and beside.has_folder(service.build.context):
            path = posixpath.normpath(posixpath.join(service.build.context, service.build.dockerfile))
            yield _Named((*at, "build", "dockerfile"), path)
        if service.builder is not None and service.builder.dockerfile is not None:
            yield _Named((*at, "builder", "dockerfile"), posixpath.normpath(service.builder.dockerfile))


def _restores(read: Read) -> Iterator[_Named]:
    for name, stage in read.spec.stages.items():
        for index, restore in enumerate(stage.test.restore if stage.test is not None else ()):
            if restore.file:
                at: Place = ("stages", name, "test", "restore")
                step = (index,) if _is_list(read.tree.value, at) else ()
                yield _Named((*at, *step, "file"), restore.file)


def _is_list(value: Any, place: Place) -> bool:
    """Tell whether there is a list at a place: one group of keys may stand there by itself."""
    for step in place:
        value = value[step]
    return isinstance(value, list)
