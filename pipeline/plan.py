"""From a configuration and an occasion to the stages of a run, those that do not apply skipped from the start."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import StageFailed
from pipeline.globs import matches_any
from pipeline.nearest import missing
from pipeline.outcome import Outcome, skipped
from pipeline.spec import Spec, Stage
from pipeline.spec_service import Service
from pipeline.spec_stage import Task, Test, When
from pipeline.stage import PlannedStage

SOURCE = "source"
NOT_DEPLOYED = "not_deployed"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Occasion:
    """What a run is for: the branch or tag, the word for what happened, the stages that were asked for by name."""

    branch: str | None
    tag: str | None
    event: str
    asked: Collection[str] | None


def plan_stages(
    spec: Spec,
    *,
    branch: str | None,
    tag: str | None,
    event: str = "",
    wanted: Collection[str] | None = None,
) -> tuple[PlannedStage, ...]:
    """Return the stages that follow `source`; one that does not apply to this occasion carries its outcome.

    `event` is push, tag, pull_request, manual or schedule; without one a branch's is a push. With `wanted`, only those
    stages run and the builds whose images they need. A tag is on no branch: it is built and tested, and goes nowhere
    by itself. Raises StageFailed if a wanted stage is not there.
    """
    asked = None if wanted is None else _with_builds(spec, wanted)
    branch = branch if tag is None else None
    occasion = _Occasion(branch=branch, tag=tag, event=event or ("tag" if tag else "push"), asked=asked)
    outcomes: dict[str, Outcome] = {}
    for name, stage in spec.stages.items():
        if outcome := _here(spec, name, stage, occasion):
            outcomes[name] = outcome
    for name in spec.stages:
        if name not in outcomes and (outcome := _imageless(spec, name, outcomes)):
            outcomes[name] = outcome
    for name in spec.stages:
        if name not in outcomes and name not in (asked or ()) and (outcome := _undeployed(spec, name, outcomes)):
            outcomes[name] = outcome
    return tuple(_planned(spec, name, outcomes.get(name)) for name in spec.stages)


def deployed_only_from(spec: Spec, environment: str, branch: str | None) -> str | None:
    """Return from which branches alone an environment is deployed, if this is none of them; no branch is none."""
    allowed = _deploys_from(spec, environment)
    return None if branch is not None and matches_any(allowed, branch) else _list(allowed)


def _planned(spec: Spec, name: str, outcome: Outcome | None) -> PlannedStage:
    stage = spec.stages[name]
    return PlannedStage(
        name=name,
        kind=stage.kind,
        needs=stage.needs or (SOURCE,),
        spec=_work(spec, name),
        title=stage.title,
        retries=stage.retry,
        allow_failure=stage.allow_failure,
        concurrency=stage.concurrency,
        outcome=outcome,
    )


def _with_builds(spec: Spec, wanted: Collection[str]) -> frozenset[str]:
    """Return the wanted stages and those that build what they use; where there is an image, that is a look-up."""
    for name in wanted:
        if name not in spec.stages:
            raise StageFailed(missing(name, spec.stages, "stage"), code="unknown_stage")
    found = set(wanted)
    for name in wanted:
        used = set(spec.uses(name))
        found |= {earlier for earlier in spec.before(name) if used & set(spec.builds(earlier))}
    return frozenset(found)


def _here(spec: Spec, name: str, stage: Stage, occasion: _Occasion) -> Outcome | None:
    """Return why a stage does not apply here, or None if it does; where one was asked for, its `when` is not heard."""
    if occasion.asked is not None and name not in occasion.asked:
        return skipped("was not asked for", "not_wanted")
    when = stage.when or When()
    if occasion.asked is None and (outcome := _when(when, occasion)):
        return outcome
    if stage.deploy is None:
        return None
    if occasion.event == "pull_request" and "pull_request" not in (when.events or ()):
        return skipped("pull requests are not deployed", "pull_request")
    allowed = _deploys_from(spec, stage.deploy.to)
    # The default branch is a name, not a pattern: git allows no star in it, so one rule serves both.
    if occasion.branch is not None and matches_any(allowed, occasion.branch):
        return None
    return skipped(f"deploys only from {_list(allowed)}", "other_branch")


def _when(when: When, occasion: _Occasion) -> Outcome | None:
    if when.events is not None and occasion.event not in when.events:
        return skipped(f"runs only for {_list(when.events)}", "other_event")
    patterns, name = (when.tags, occasion.tag) if occasion.tag is not None else (when.branches, occasion.branch)
    if (when.branches is None and when.tags is None) or (name is not None and matches_any(patterns or (), name)):
        return None
    which = " or ".join(_list(one) for one in (when.branches, when.tags) if one is not None)
    return skipped(f"runs only on {which}", "other_branch")


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


def _undeployed(spec: Spec, name: str, outcomes: Mapping[str, Outcome]) -> Outcome | None:
    """Return why a stage has nothing of this commit to be against when what would deploy it does not run."""
    deploys = deploys_before(spec, name)
    return not_deployed(spec, name) if deploys and all(one in outcomes for one in deploys) else None


def deploys_before(spec: Spec, name: str) -> tuple[str, ...]:
    """Return the stages that a stage needs, through others too, and that deploy where it is `against`."""
    test = spec.stages[name].test
    where = test.against if test is not None else None
    earlier = ((one, spec.stages[one].deploy) for one in spec.before(name)) if where else ()
    return tuple(one for one, deploy in earlier if deploy is not None and deploy.to == where)


def not_deployed(spec: Spec, name: str) -> Outcome:
    """Return the outcome of a stage that is against what this run has not deployed."""
    test = spec.stages[name].test
    return skipped(f"{test.against if test else name} was not deployed by this run", NOT_DEPLOYED)


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
    """Return what a test or a task needs to know, the backing services it stands beside among it.

    Without a command of its own it runs its service's, and without that the image's.
    """
    said = work.model_dump(mode="json", by_alias=True, exclude_none=True)
    service = spec.services.get(work.service)
    run = work.run or (service.command if service is not None else None)
    said |= {"run": None if run is None else list(run), "env": (service.env if service is not None else {}) | work.env}
    return said | {"services": {name: _backing(spec.services[name]) for name in spec.beside(work.backing)}}


def _backing(service: Service) -> dict[str, Any]:
    keys = {"image", "command", "env", "ready", "depends_on", "port"}
    return service.model_dump(mode="json", include=keys, exclude_none=True)


def _list(patterns: Iterable[str]) -> str:
    return " or ".join(patterns) or "no branch"
