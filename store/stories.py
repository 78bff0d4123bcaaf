"""Stories: what the live messages tell, read from the rows."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.deployment import Cause, DeploymentState, Release
from pipeline.outcome import State
from pipeline.progress import Going, seconds_left
from pipeline.push import HEADS
from pipeline.stage import Kind
from pipeline.stories import Address, DeploymentStory, Mended, Part, RunStory, StageStory, Story
from pipeline.telling import BY_PEOPLE, asked_for
from store import deployments, lanes
from store.links import Links
from store.schema import WHOLE, DeploymentRow, EnvironmentRow, ProjectRow, RouteRow, RunRow, StageRow
from store.usual import of_stages

BROKEN = frozenset({State.FAILED, State.ERROR})
FURTHEST_BACK = 200


def story(session: Session, kind: str, ref_id: int, links: Links) -> Story | None:
    """Return the story a live message tells; None if there is nothing to tell."""
    if kind == "run":
        return run_story(session, ref_id, links)
    return deployment_story(session, ref_id, links) if kind == "deployment" else None


def run_story(session: Session, run_id: int, links: Links) -> RunStory | None:
    """Return a run's story."""
    row = session.get(RunRow, run_id)
    if row is None:
        return None
    project = session.get_one(ProjectRow, row.project_id)
    stages = list(session.scalars(select(StageRow).where(StageRow.run_id == run_id).order_by(StageRow.position)))
    waits = lanes.waits(session, [stage.id for stage in stages if stage.lane and stage.state == State.QUEUED])
    return RunStory(
        id=row.id,
        project=project.name,
        revision=row.revision,
        ref=row.ref,
        subject=row.message,
        author=row.author,
        state=State(row.state),
        reason=row.reason,
        stages=tuple(_stage(stage, waits.get(stage.id, "")) for stage in stages),
        addresses=_addresses(session, _deployed_by(session, run_id), links),
        seconds=took(row),
        left=_left(session, row, stages),
        asked=asked_of(row),
        mended=_mended(session, row) if row.ref == f"{HEADS}{project.default_branch}" else None,
    )


def asked_of(row: RunRow) -> str:
    """Return who asked for a run, and why, if anybody did."""
    again = row.trigger not in BY_PEOPLE
    return asked_for(by=row.asked_by, reason=row.asked_reason, wanted=row.wanted, again=again)


def _left(session: Session, run: RunRow, stages: Iterable[StageRow]) -> float | None:
    """Return how many seconds a run will still take, if it goes as it usually does."""
    if State(run.state).ended or run.started_at is None:
        return None
    usual = of_stages(session, run.project_id)
    going = [
        Going(
            name=one.name,
            needs=one.needs,
            ended=State(one.state).ended,
            started_at=one.started_at,
            usual=usual.get((one.name, one.kind)),
        )
        for one in stages
    ]
    # A plan of the source stage alone tells nothing of what will follow it.
    return seconds_left(going, datetime.now(UTC)) if len(going) > 1 else None


def took(row: RunRow) -> float | None:
    """Return how many seconds a run that has ended took, all its rounds together and nothing of what lay between."""
    last = _seconds(row.started_at or row.created_at, row.finished_at)
    return None if last is None else row.earlier_seconds + last


def deployment_story(session: Session, deployment_id: int, links: Links) -> DeploymentStory | None:
    """Return a deployment's story."""
    row = session.get(DeploymentRow, deployment_id)
    if row is None:
        return None
    place = session.get_one(EnvironmentRow, row.environment_id)
    before = row.from_id or (place.live_deployment_id if place.live_deployment_id != row.id else None)
    was = deployments.get(session, before).releases if before else ()
    return DeploymentStory(
        id=row.id,
        project=session.get_one(ProjectRow, row.project_id).name,
        environment=place.name,
        cause=Cause(row.cause),
        actor=row.actor,
        state=DeploymentState(row.state),
        reason=row.reason,
        parts=_parts(deployments.get(session, deployment_id).releases, was),
        was=_parts(was, ()),
        steps=tuple((str(step["name"]), str(step.get("detail", ""))) for step in row.steps),
        addresses=_addresses(session, [row], links),
        seconds=_seconds(row.created_at, row.finished_at),
        pinned=bool(place.pinned_by),
    )


def _stage(row: StageRow, waits: str) -> StageStory:
    return StageStory(
        name=row.name,
        title=row.title,
        kind=Kind(row.kind),
        state=State(row.state),
        sentence=row.reason or waits,
        tail=tuple(str(line) for line in row.tail),
        seconds=_seconds(row.started_at, row.finished_at),
        attempt=row.attempt,
        flaky=row.flaky,
        allow_failure=row.allow_failure,
    )


def _parts(releases: Iterable[Release], was: Iterable[Release]) -> tuple[Part, ...]:
    known = {(one.service, one.image) for one in was}
    return tuple(
        Part(service=one.service, revision=one.revision, changed=(one.service, one.image) not in known)
        for one in releases
    )


def _deployed_by(session: Session, run_id: int) -> list[DeploymentRow]:
    good = (DeploymentRow.run_id == run_id) & (DeploymentRow.state == DeploymentState.DEPLOYED)
    return list(session.scalars(select(DeploymentRow).where(good).order_by(DeploymentRow.id)))


def _addresses(session: Session, rows: Iterable[DeploymentRow], links: Links) -> tuple[Address, ...]:
    return tuple(one for row in rows for one in _of(session, row, links))


def _of(session: Session, row: DeploymentRow, links: Links) -> list[Address]:
    place = session.get_one(EnvironmentRow, row.environment_id)
    routes = session.scalars(select(RouteRow).where(RouteRow.environment_id == row.environment_id))
    hosts: dict[str, list[Any]] = {route.service: route.hosts for route in routes}
    return [
        Address(service=name, environment=place.name, url=links.service(_host(hosts[name])))
        for name in (release["service"] for release in row.releases)
        if hosts.get(name)
    ]


def _host(hosts: list[Any]) -> str:
    """Return the name to show: the one that leads here with no name server set up, if there is such a one."""
    return str(next((host for host in hosts if str(host).endswith(".localhost")), hosts[0]))


def _mended(session: Session, row: RunRow) -> Mended | None:
    """Return how long the branch was broken right before this run; what ran only in part says nothing of it."""
    if row.wanted is not None:
        return None
    earlier = session.execute(
        select(RunRow.state, RunRow.finished_at)
        .where(RunRow.project_id == row.project_id, RunRow.ref == row.ref, RunRow.id < row.id, WHOLE)
        .order_by(RunRow.id.desc())
        .limit(FURTHEST_BACK)
    )
    broken: list[datetime] = []
    for state, finished_at in earlier:
        if state == State.PASSED:
            break
        if state in BROKEN and finished_at:
            broken.append(finished_at)
    if not broken:
        return None
    return Mended(failures=len(broken), seconds=_seconds(broken[-1], row.finished_at) or 0.0)


def _seconds(began: datetime | None, ended: datetime | None) -> float | None:
    return (ended - began).total_seconds() if began and ended else None
