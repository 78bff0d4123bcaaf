"""slipway.yml: what a project builds, tests and deploys. A repository with just a Dockerfile needs none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pipeline import compose as compose_file
from pipeline.compose import Files
from pipeline.spec_checks import check
from pipeline.spec_compose import add_compose
from pipeline.spec_defaults import NO_SERVICE, About, fill_in
from pipeline.spec_load import Tree, read
from pipeline.spec_model import PARTS, Environment, Spec
from pipeline.spec_service import Service
from pipeline.spec_stage import Stage
from pipeline.spec_types import is_null
from pipeline.spec_words import GROUPS, Flaw, Problem, SpecProblems, few, told_of, translate

__all__ = [
    "CANDIDATES",
    "Environment",
    "Files",
    "Problem",
    "Read",
    "Service",
    "Spec",
    "SpecProblems",
    "Stage",
    "from_json",
    "load",
    "look",
    "schema",
    "to_json",
]

FILES = ("slipway.yml", ".slipway.yml", ".slipway/slipway.yml")
CANDIDATES = (*FILES, "Dockerfile", *compose_file.FILES)
NOTHING_TO_DEPLOY = "this deploys nothing: no service is built here, or all that are have a profile"
NOTHING = "there is neither this file nor a Dockerfile or a compose.yaml at the root of the repository; add one of them"


@dataclass(frozen=True, slots=True)
class Read:
    """What the files of a commit say, and where: for showing it."""

    spec: Spec
    tree: Tree


def load(files: Files, *, project: str, default_branch: str = "main") -> Spec:
    """Return what the files of a commit say, Compose files among them. Raises SpecProblems."""
    return look(files, project=project, default_branch=default_branch).spec


def look(files: Files, *, project: str, default_branch: str = "main") -> Read:
    """Return what the files of a commit say, and which file and line says it. Raises SpecProblems."""
    present = [name for name in FILES if files.get(name) is not None]
    if len(present) > 1:
        raise SpecProblems(
            [Problem(file=present[1], line=0, where="", sentence=f"{present[0]} is there too; keep one")]
        )
    file = present[0] if present else FILES[0]
    tree = read(files.get(file) or b"", file) if present else Tree(file=file)
    dockerfile = files.get("Dockerfile")
    if not present and dockerfile is None and not any(files.get(name) is not None for name in compose_file.FILES):
        raise SpecProblems([Problem(file=file, line=0, where="", sentence=NOTHING)])
    about = About(dockerfile=dockerfile, project=project, default_branch=default_branch)
    spec, problems = _validated(tree, files, about)
    if spec is None or problems:
        raise SpecProblems(told_of(_sorted(file, problems)))
    return Read(spec, tree)


def to_json(spec: Spec) -> dict[str, Any]:
    """Return a spec as JSON can hold it."""
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def from_json(value: Mapping[str, Any]) -> Spec:
    """Return the spec that `to_json` gave. Raises SpecProblems."""
    try:
        return Spec.model_validate(dict(value))
    except ValidationError as error:
        tree = Tree(file="the stored configuration", flaws=list(translate(error, PARTS)))
        raise SpecProblems(compose_file.told(tree)) from error


def schema() -> dict[str, Any]:
    """Return the JSON Schema of slipway.yml, for editors."""
    found = Spec.model_json_schema(by_alias=True)
    found.pop("required", None)
    for group in GROUPS:
        found["properties"][group]["type"] = ["object", "null"]
    return found | {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "slipway.yml"}


def _validated(tree: Tree, files: Files, about: About) -> tuple[Spec | None, list[Problem]]:
    if is_null(tree.value) and not tree.flaws:
        tree.value = {}
    if not isinstance(tree.value, dict):
        tree.flaws = tree.flaws or [Flaw((), "the file must hold keys and values such as `services:`")]
        return None, compose_file.told(tree)
    problems = add_compose(tree, files)
    fill_in(tree.value, about)
    spec = None
    try:
        spec = Spec.model_validate(tree.value)
    except ValidationError as error:
        tree.flaws += few(translate(error, PARTS))
    if not problems:
        tree.flaws += few(check(tree.value))
    if not tree.value["services"] and not problems:
        tree.flaws.append(Flaw(("services",), NO_SERVICE))
    if spec and not tree.flaws and not problems:
        tree.flaws += few(_unbuilt(spec))
    return spec, problems + compose_file.told(tree)


def _unbuilt(spec: Spec) -> Iterator[Flaw]:
    for name, stage in spec.stages.items():
        if stage.deploy is not None and not spec.uses(name):
            yield Flaw(("stages", name, "deploy"), NOTHING_TO_DEPLOY)
        built = {service for earlier in spec.before(name) for service in spec.builds(earlier)}
        for service in spec.uses(name):
            if service not in built:
                yield Flaw(("stages", name), f"no stage before this one builds service '{service}'")


def _sorted(file: str, problems: list[Problem]) -> list[Problem]:
    """Return problems in the order of the files, the project's own first."""
    return sorted(dict.fromkeys(problems), key=lambda one: (one.file != file, one.file, one.line))
