"""What a slipway.yml leaves out, written into it before it is checked."""

from typing import Any

from pipeline.spec_load import Scalar
from pipeline.spec_types import is_null

GROUPS = ("services", "stages", "environments")
ENVIRONMENTS = ("ci", "staging")


def fill_in(value: dict[str, Any], *, has_dockerfile: bool, project: str, default_branch: str) -> None:
    """Write names, services, environments, stages and needs that follow by themselves into the file's tree."""
    for group in GROUPS:
        if group in value and is_null(value[group]):
            del value[group]
    value.setdefault("name", project)
    value.setdefault("branch", default_branch)
    _only_one_is_main(value.setdefault("services", {project: {}} if has_dockerfile else {}))
    environments = value.setdefault("environments", {name: {} for name in ENVIRONMENTS})
    _needs_the_one_before(value.setdefault("stages", _stages(environments)))


def _only_one_is_main(services: object) -> None:
    if not isinstance(services, dict) or len(services) != 1:
        return
    name, service = next(iter(services.items()))
    service = {} if is_null(service) else service
    if isinstance(service, dict):
        services[name] = {"main": True} | service


def _needs_the_one_before(stages: object) -> None:
    previous: list[str] = []
    for name, stage in stages.items() if isinstance(stages, dict) else ():
        if isinstance(stage, dict):
            stage.setdefault("needs", previous)
        previous = [name]


def _stages(environments: object) -> dict[str, Any]:
    known = environments if isinstance(environments, dict) else {}
    deploys = {name: {"deploy": Scalar(name)} for name in ENVIRONMENTS if name in known}
    return {"build": {"build": Scalar("all")}, **deploys}
