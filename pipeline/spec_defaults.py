"""What a slipway.yml leaves out, written into it before it is checked."""

import re
from dataclasses import dataclass
from typing import Any

from pipeline.spec_load import Scalar
from pipeline.spec_types import is_null

GROUPS = ("services", "stages", "environments")
ENVIRONMENTS = ("ci", "staging")
TEST = "test"
NO_SERVICE = "there is no service: add a Dockerfile at the root, a compose.yaml, or a service here"
# A target of a Dockerfile, with everything up to the next one.
TARGET = re.compile(r"^FROM\s[^\n]*\sAS\s+test\s*$(.*?)(?=^FROM\s|\Z)", re.IGNORECASE | re.MULTILINE | re.DOTALL)
STARTS = re.compile(r"^\s*(?:CMD|ENTRYPOINT)\s", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What is known of a commit besides its slipway.yml; `dockerfile` is the one at the root."""

    dockerfile: bytes | None
    project: str
    default_branch: str


def fill_in(value: dict[str, Any], about: About) -> None:
    """Write names, services, environments, stages and needs that follow by themselves into the file's tree."""
    for group in GROUPS:
        if group in value and is_null(value[group]):
            del value[group]
    value.setdefault("name", about.project)
    value.setdefault("branch", about.default_branch)
    services = value.setdefault("services", {})
    if about.dockerfile is not None and isinstance(services, dict) and not _built(services):
        services |= {about.project: {}}
        if "stages" not in value:
            services |= _test_target(about.dockerfile.decode(errors="replace"), services)
    _only_one_is_main(services)
    environments = value.setdefault("environments", {name: {} for name in ENVIRONMENTS})
    if "stages" not in value:
        value["stages"] = _stages(services, environments)
    _needs_the_one_before(value["stages"])


def _built(services: dict[str, Any]) -> list[str]:
    """Return the services that are built here."""
    return [name for name, one in services.items() if not (isinstance(one, dict) and "image" in one)]


def _is_for_tests(service: object) -> bool:
    profiles = service.get("profiles") if isinstance(service, dict) else None
    return isinstance(profiles, list) and TEST in profiles


def _test_target(dockerfile: str, services: dict[str, Any]) -> dict[str, Any]:
    """Return a service for the Dockerfile's target `test`, if it has one."""
    name = next(name for name in (TEST, "tests", "test-target") if name not in services)
    target = TARGET.search(dockerfile)
    if target is None:
        return {}
    found: dict[str, Any] = {"build": {"target": Scalar(TEST)}, "profiles": [Scalar(TEST)]}
    return {name: found | ({} if STARTS.search(target[1]) else {BY_BUILDING: True})}


BY_BUILDING = "tested by being built"


def _only_one_is_main(services: object) -> None:
    built = _built(services) if isinstance(services, dict) else []
    served = [name for name in built if isinstance(services, dict) and not _has_profiles(services[name])]
    if not isinstance(services, dict) or len(served) != 1:
        return
    service = {} if is_null(services[served[0]]) else services[served[0]]
    if isinstance(service, dict):
        services[served[0]] = {"main": True} | service


def _has_profiles(service: object) -> bool:
    return isinstance(service, dict) and bool(service.get("profiles"))


def _needs_the_one_before(stages: object) -> None:
    previous: list[str] = []
    for name, stage in stages.items() if isinstance(stages, dict) else ():
        if isinstance(stage, dict):
            stage.setdefault("needs", previous)
        previous = [name]


def _stages(services: object, environments: object) -> dict[str, Any]:
    """Return the stages of a project that names none: build, test what is for tests, deploy; of nothing, none."""
    known = environments if isinstance(environments, dict) else {}
    mine = services if isinstance(services, dict) else {}
    by_building = [name for name, one in mine.items() if isinstance(one, dict) and one.pop(BY_BUILDING, False)]
    tests = _tests(mine, by_building)
    served = [name for name in _built(mine) if not _has_profiles(mine[name])]
    deploys: dict[str, Any] = {name: {"deploy": Scalar(name)} for name in ENVIRONMENTS if served and name in known}
    if tests and deploys:
        next(iter(deploys.values()))["needs"] = list(tests)
    first = [name for name in _built(mine) if name not in by_building] if by_building else Scalar("all")
    builds: dict[str, Any] = {"build": {"build": first}} if _built(mine) else {}
    return builds | tests | deploys


def _tests(services: dict[str, Any], by_building: list[str]) -> dict[str, Any]:
    """Return a stage for each service with the profile `test`, the backing services it depends on beside it."""
    names = [name for name in _built(services) if _is_for_tests(services[name])]
    found: dict[str, Any] = {}
    for name in names:
        stage = TEST if len(names) == 1 else f"test-{name}"
        if name in by_building:
            found[stage] = {"build": [Scalar(name)], "needs": ["build"]}
        else:
            beside = [Scalar(one) for one in _beside(services, name)]
            found[stage] = {"test": {"in": Scalar(name), "with": beside}, "needs": ["build"]}
    return found


def _beside(services: dict[str, Any], name: str) -> list[str]:
    """Return what stands beside the tests: what they depend on, and if that is nothing every backing service."""
    said = services[name].get("depends_on")
    if said:
        return [str(one) for one in said] if isinstance(said, list) else []
    built = _built(services)
    return [one for one in services if one not in built]
