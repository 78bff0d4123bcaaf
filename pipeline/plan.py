"""From a configuration and a ref to the stages of a run, with those that do not apply here skipped from the start."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.globs import matches_any
from pipeline.outcome import Outcome, skipped
from pipeline.spec import Spec, Stage
from pipeline.spec_model import Service, Task, Test
from pipeline.stage import PlannedStage

SOURCE = "source"


def plan_stages(spec: Spec, *, branch: str | None, tag: str | None) -> tuple[PlannedStage, ...]:
    """Return the stages that follow `source`; one that does not apply to this branch or tag carries its outcome.

    A tag is on no branch: it is built and tested, and goes nowhere by itself.
    """
    branch = branch if tag is None else None
    outcomes: dict[str, Outcome] = {}
    for name, stage in spec.stages.items():
        if outcome := _here(spec, stage, branch):
            outcomes[name] = outcome
    for name in spec.stages:
        if name not in outcomes and (outcome := _imageless(spec, name, outcomes)):
            outcomes[name] = outcome
    return tuple(
        PlannedStage(
            name=name,
            kind=stage.kind,
            needs=stage.needs or (SOURCE,),
            spec=_work(spec, name),
            title=stage.title,
            retries=stage.retry,
            allow_failure=stage.allow_failure,
            concurrency=stage.concurrency,
            outcome=outcomes.get(name),
        )
        for name, stage in spec.stages.items()
    )


def _here(spec: Spec, stage: Stage, branch: str | None) -> Outcome | None:
    """Return why a stage does not apply to this branch or tag, or None if it does."""
    branches = stage.when.branches if stage.when is not None else None
    if branches is not None and not (branch is not None and matches_any(branches, branch)):
        return skipped(f"runs only on {_list(branches)}", "other_branch")
    if stage.deploy is None:
        return None
    allowed = _deploys_from(spec, stage.deploy.to)
    # The default branch is a name, not a pattern: git allows no star in it, so one rule serves both.
    if branch is not None and matches_any(allowed, branch):
        return None
    return skipped(f"deploys only from {_list(allowed)}", "other_branch")


def _deploys_from(spec: Spec, environment: str) -> tuple[str, ...]:
    """Return the patterns of the branches whose pushes go to an environment."""
    branches = spec.environments[environment].branches
    return (spec.branch,) if branches is None else branches


def _imageless(spec: Spec, name: str, outcomes: Mapping[str, Outcome]) -> Outcome | None:
    """Return why a stage cannot run when the stages that would build its images do not."""
    for service in spec.uses(name):
        builders = [earlier for earlier in spec.before(name) if service in spec.builds(earlier)]
        if builders and all(builder in outcomes for builder in builders):
            return skipped(f"{builders[0]}, which builds {service}, does not run here", "not_built")
    return None


def _work(spec: Spec, name: str) -> Mapping[str, Any]:
    """Return what the stage's kind needs to know, as JSON can hold it."""
    stage = spec.stages[name]
    limits = {"timeout": stage.timeout, "silence": stage.silence}
    if stage.test is not None:
        return _container_work(spec, stage.test) | limits
    if stage.task is not None:
        return _container_work(spec, stage.task) | limits
    if stage.deploy is not None:
        return {"to": stage.deploy.to, "services": list(spec.uses(name)), **limits}
    return {"services": list(spec.builds(name)), **limits}


def _container_work(spec: Spec, work: Test | Task) -> dict[str, Any]:
    """Return what a test or a task needs to know, the backing services it stands beside among it."""
    said = work.model_dump(mode="json", by_alias=True, exclude_none=True)
    return said | {"services": {name: _backing(spec.services[name]) for name in work.backing}}


def _backing(service: Service) -> dict[str, Any]:
    keys = {"image", "command", "env", "ready", "depends_on", "port"}
    return service.model_dump(mode="json", include=keys, exclude_none=True)


def _list(patterns: Iterable[str]) -> str:
    return " or ".join(patterns) or "no branch"
