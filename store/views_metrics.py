"""What can be counted in the tables, without reading all of them each time."""

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pipeline.deployment import DeploymentState
from pipeline.outcome import State
from store.schema import DeploymentRow, EnvironmentRow, JobRow, ProjectRow, RunRow
from store.session import now

ACTIVE = tuple(state for state in State if not state.ended)
UNDER_WAY = tuple(state for state in DeploymentState if not state.ended)
Labels = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """What serves in an environment."""

    project: str
    environment: str
    services: tuple[tuple[str, str], ...]
    since: float | None
    pinned: bool


@dataclass(kw_only=True, slots=True)
class Ended:
    """Counts things that have ended; `query` does so by their labels.

    What has ended never changes. So all that came before the oldest one still open is counted once, and from then on
    only what came after it is read.
    """

    query: Any
    id: Any
    state: Any
    open: tuple[str, ...]
    _sums: Counter[Labels] = field(default_factory=Counter)
    _upto: int = 0
    _lock: Lock = field(default_factory=Lock)

    def count(self, session: Session) -> Counter[Labels]:
        """Return how many have ended, by their labels."""
        with self._lock:
            oldest = self._oldest_open(session)
            newest = session.scalar(select(func.max(self.id))) or 0
            settled = newest if oldest is None else oldest - 1
            if settled > self._upto:
                self._sums += self._between(session, self._upto, settled)
                self._upto = settled
            return self._sums + self._between(session, settled, newest)

    def _oldest_open(self, session: Session) -> int | None:
        # By project, since the index on what is open begins with it.
        projects = session.scalars(select(ProjectRow.id)).all()
        table = self.id.class_
        found: int | None = session.scalar(
            select(func.min(self.id)).where(
                table.project_id.in_(projects), self.state.in_(self.open), self.id > self._upto
            )
        )
        return found

    def _between(self, session: Session, low: int, high: int) -> Counter[Labels]:
        if high <= low:
            return Counter()
        ended = (self.id > low) & (self.id <= high) & self.state.not_in(self.open)
        rows = session.execute(self.query.where(ended))
        return Counter({tuple(row[:-1]): row[-1] for row in rows})


def ended_runs() -> Ended:
    """Return the counter of runs by project, trigger and result."""
    labels = (ProjectRow.name, RunRow.trigger, RunRow.state)
    query = select(*labels, func.count()).join_from(RunRow, ProjectRow, ProjectRow.id == RunRow.project_id)
    return Ended(query=query.group_by(*labels), id=RunRow.id, state=RunRow.state, open=ACTIVE)


def ended_deployments() -> Ended:
    """Return the counter of deployments by project, environment, strategy and result."""
    labels = (ProjectRow.name, EnvironmentRow.name, DeploymentRow.strategy, DeploymentRow.state)
    query = (
        select(*labels, func.count())
        .join_from(DeploymentRow, ProjectRow, ProjectRow.id == DeploymentRow.project_id)
        .join(EnvironmentRow, EnvironmentRow.id == DeploymentRow.environment_id)
    )
    return Ended(query=query.group_by(*labels), id=DeploymentRow.id, state=DeploymentRow.state, open=UNDER_WAY)


def active_runs(session: Session) -> dict[Labels, int]:
    """Return how many runs of each project are in each state that is not an end."""
    names: dict[int, str] = {row.id: row.name for row in session.execute(select(ProjectRow.id, ProjectRow.name))}
    query = (
        select(RunRow.project_id, RunRow.state, func.count())
        .where(RunRow.project_id.in_(names), RunRow.state.in_(ACTIVE))
        .group_by(RunRow.project_id, RunRow.state)
    )
    return {(names[project], state): count for project, state, count in session.execute(query)}


def recovered(session: Session) -> dict[Labels, int]:
    """Return how many pushes of each project were found by looking."""
    return {(row.name,): row.recovered for row in session.execute(select(ProjectRow.name, ProjectRow.recovered))}


def jobs(session: Session) -> dict[Labels, int]:
    """Return how many jobs of each queue wait or are at work."""
    query = select(JobRow.queue, JobRow.state, func.count()).where(JobRow.state.in_(("queued", "running")))
    return {
        (queue, state): count for queue, state, count in session.execute(query.group_by(JobRow.queue, JobRow.state))
    }


def oldest_jobs(session: Session) -> dict[Labels, float]:
    """Return for how many seconds the job of each queue that has waited longest could have been begun."""
    due = (JobRow.state == "queued") & (JobRow.not_before <= now())
    query = select(JobRow.queue, now() - func.min(JobRow.not_before)).where(due).group_by(JobRow.queue)
    return {(queue,): max(0.0, age) for queue, age in session.execute(query)}


def live(session: Session) -> list[Live]:
    """Return what serves in every environment."""
    query = (
        select(ProjectRow.name, EnvironmentRow, DeploymentRow)
        .join_from(EnvironmentRow, ProjectRow, ProjectRow.id == EnvironmentRow.project_id)
        .outerjoin(DeploymentRow, DeploymentRow.id == EnvironmentRow.live_deployment_id)
    )
    return [_live(project, place, made) for project, place, made in session.execute(query)]


def _live(project: str, place: EnvironmentRow, made: DeploymentRow | None) -> Live:
    releases = made.releases if made else []
    return Live(
        project=project,
        environment=place.name,
        services=tuple((one["service"], one["revision"]) for one in releases),
        since=made.finished_at.timestamp() if made and made.finished_at else None,
        pinned=bool(place.pinned_by),
    )
