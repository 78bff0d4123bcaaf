"""slipway.yml: what a project builds, tests and deploys. A repository with just a Dockerfile needs none."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from pipeline.spec_checks import check
from pipeline.spec_defaults import fill_in
from pipeline.spec_load import Tree, read
from pipeline.spec_model import PARTS, Environment, Service, Spec, Stage
from pipeline.spec_types import is_null
from pipeline.spec_words import Flaw, Problem, SpecProblems, translate

__all__ = [
    "CANDIDATES",
    "Environment",
    "Problem",
    "Service",
    "Spec",
    "SpecProblems",
    "Stage",
    "from_json",
    "load",
    "schema",
    "to_json",
]

FILES = ("slipway.yml", ".slipway.yml", ".slipway/slipway.yml")
CANDIDATES = (*FILES, "Dockerfile")
NOTHING = "there is neither this file nor a Dockerfile at the root of the repository; add one of them"


def load(files: Mapping[str, bytes], *, project: str, default_branch: str = "main") -> Spec:
    """Return what the files of a commit say. `files` holds those of CANDIDATES that are there. Raises SpecProblems."""
    present = [name for name in FILES if name in files]
    if len(present) > 1:
        raise SpecProblems(
            [Problem(file=present[1], line=0, where="", sentence=f"{present[0]} is there too; keep one")]
        )
    file = present[0] if present else FILES[0]
    tree = read(files[file]) if present else Tree()
    has_dockerfile = "Dockerfile" in files
    if not present and not has_dockerfile:
        raise SpecProblems([Problem(file=file, line=0, where="", sentence=NOTHING)])
    spec, flaws = _validated(tree, has_dockerfile, project, default_branch)
    if spec is None or flaws:
        raise SpecProblems(_problems(file, tree, flaws))
    return spec


def to_json(spec: Spec) -> dict[str, Any]:
    """Return a spec as JSON can hold it."""
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def from_json(value: Mapping[str, Any]) -> Spec:
    """Return the spec that `to_json` gave. Raises SpecProblems."""
    try:
        return Spec.model_validate(dict(value))
    except ValidationError as error:
        raise SpecProblems(_problems("the stored configuration", Tree(), list(translate(error, PARTS)))) from error


def schema() -> dict[str, Any]:
    """Return the JSON Schema of slipway.yml, for editors."""
    found = Spec.model_json_schema(by_alias=True)
    found.pop("required", None)
    return found | {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "slipway.yml"}


def _validated(tree: Tree, has_dockerfile: bool, project: str, default_branch: str) -> tuple[Spec | None, list[Flaw]]:
    flaws = list(tree.flaws)
    if is_null(tree.value) and not flaws:
        tree.value = {}
    if not isinstance(tree.value, dict):
        return None, flaws or [Flaw((), "the file must hold keys and values such as `services:`")]
    fill_in(tree.value, has_dockerfile=has_dockerfile, project=project, default_branch=default_branch)
    spec = None
    try:
        spec = Spec.model_validate(tree.value)
    except ValidationError as error:
        flaws += translate(error, PARTS)
    flaws += check(tree.value)
    if not tree.value["services"]:
        flaws.append(Flaw(("services",), "there is no service: add a Dockerfile at the root, or a service here"))
    if spec and not flaws:
        flaws += _unbuilt(spec)
    return spec, flaws


def _unbuilt(spec: Spec) -> Iterator[Flaw]:
    for name in spec.stages:
        built = {service for earlier in spec.before(name) for service in spec.builds(earlier)}
        for service in spec.uses(name):
            if service not in built:
                yield Flaw(("stages", name), f"no stage before this one builds service '{service}'")


def _problems(file: str, tree: Tree, flaws: list[Flaw]) -> list[Problem]:
    found = [
        Problem(file=file, line=tree.line(flaw.place), where=flaw.where, sentence=flaw.sentence)
        for flaw in dict.fromkeys(flaws)
    ]
    return sorted(found, key=lambda problem: problem.line)
