"""Runs as people and programs read them: plain dictionaries in the shapes of the API."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select, true
from sqlalchemy.orm import Session

from pipeline.outcome import State
from pipeline.push import HEADS, Push
from store import lanes
from store.links import Links
from store.schema import DeploymentRow, ImageRow, ProjectRow, RunRow, StageRow
from store.usual import of_stages

View = dict[str, Any]
# No revision that begins as another text comes after that text and these; LIKE would read every revision.
LAST_DIGITS = "f" * 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Which part of a list is wanted: at most `limit` things with a smaller id than `before`."""

    limit: int = 50
    before: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFilter:
    """Which runs are wanted; `revision` may be the beginning of one."""

    project: str | None = None
    revision: str | None = None
    state: str | None = None
    branch: str | None = None


NEWEST = Page()
EVERY = RunFilter()


def runs(session: Session, links: Links, wanted: RunFilter = EVERY, page: Page = NEWEST) -> View:
    """Return runs, newest first."""
    query = _runs().where(*_conditions(wanted), below(RunRow.id, page))
    rows = list(session.execute(query.order_by(RunRow.id.desc()).limit(page.limit + 1)).all())
    return listed(_views(session, links, rows), page)


def run(session: Session, links: Links, run_id: int) -> View | None:
    """Return a run, if there is one of that number."""
    rows = list(session.execute(_runs().where(RunRow.id == run_id)).all())
    return next(iter(_views(session, links, rows)), None)


def below(column: Any, page: Page) -> ColumnElement[bool]:
    """Return the condition that leads to this page."""
    return true() if page.before is None else column < page.before


def listed(items: list[View], page: Page) -> View:
    """Return one page of a list; `items` holds one more than the page if there is a next one."""
    shown = items[: page.limit]
    more = len(items) > page.limit
    return {"items": shown, "next": str(shown[-1]["id"]).lstrip("abcdefghijklmnopqrstuvwxyz") if more else None}


def when(time: datetime | None) -> str | None:
    """Return a time as RFC 3339 in UTC."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else None


def _runs() -> Select[RunRow, str]:
    return select(RunRow, ProjectRow.name).join(ProjectRow, ProjectRow.id == RunRow.project_id)


def _conditions(wanted: RunFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.project:
        # By number, so that an index gives them in their order.
        yield RunRow.project_id == select(ProjectRow.id).where(ProjectRow.name == wanted.project).scalar_subquery()
    if wanted.revision:
        yield RunRow.revision.between(wanted.revision, f"{wanted.revision}{LAST_DIGITS}")
    if wanted.state:
        yield RunRow.state == wanted.state
    if wanted.branch:
        yield RunRow.ref == f"{HEADS}{wanted.branch}"


def _views(session: Session, links: Links, rows: list[Any]) -> list[View]:
    runs = [row for row, _ in rows]
    ids = [row.id for row in runs]
    stages = session.scalars(
        select(StageRow).where(StageRow.run_id.in_(ids)).order_by(StageRow.run_id, StageRow.position, StageRow.id)
    ).all()
    images = session.scalars(
        select(ImageRow).where(ImageRow.revision.in_({row.revision for row in runs})).order_by(ImageRow.service)
    ).all()
    deployments = session.execute(
        select(DeploymentRow.run_id, DeploymentRow.id).where(DeploymentRow.run_id.in_(ids)).order_by(DeploymentRow.id)
    ).all()
    # Of what is over nobody asks how long it will take.
    moving = {row.project_id for row in runs if not State(row.state).ended}
    usual = {project: of_stages(session, project) for project in moving}
    waits = lanes.waits(session, [stage.id for stage in stages if stage.lane and stage.state == "queued"])
    return [
        _run(row, project, links)
        | {
            "stages": [
                _stage(stage, links, waits.get(stage.id), usual.get(row.project_id, {}))
                for stage in stages
                if stage.run_id == row.id
            ],
            "flaky": any(stage.flaky for stage in stages if stage.run_id == row.id),
            "images": [
                image(one) for one in images if (one.project_id, one.revision) == (row.project_id, row.revision)
            ],
            "deployments": [f"d{number}" for run_id, number in deployments if run_id == row.id],
        }
        for row, project in rows
    ]


def _run(row: RunRow, project: str, links: Links) -> View:
    push = Push(ref=row.ref, before=row.before, after=row.revision)
    return {
        "id": f"r{row.id}",
        "project": project,
        "ref": row.ref,
        "branch": push.branch,
        "tag": push.tag,
        "revision": row.revision,
        "message": row.message,
        "author": row.author,
        "trigger": row.trigger,
        "delivery": str(row.delivery_id) if row.delivery_id else None,
        "state": row.state,
        "reason": row.reason,
        "code": row.code,
        "cancel_requested": row.cancel_requested,
        "superseded_by": f"r{row.superseded_by}" if row.superseded_by else None,
        "wanted": row.wanted,
        "pull_request": row.pull_request,
        "trusted": row.trusted,
        "approved_by": row.approved_by or None,
        "asked_by": row.asked_by or None,
        "asked_reason": row.asked_reason,
        "build_number": row.build_number,
        "created_at": when(row.created_at),
        "started_at": when(row.started_at),
        "finished_at": when(row.finished_at),
        "earlier_seconds": row.earlier_seconds,
        "url": links.run(row.id),
        "links": (row.config or {}).get("links") or {},
    }


def _stage(row: StageRow, links: Links, waits: str | None, usual: Mapping[tuple[str, str], float]) -> View:
    state = State(row.state)
    return {
        "name": row.name,
        "title": row.title,
        "kind": row.kind,
        "state": row.state,
        "attempt": row.attempt,
        "tries": row.tries,
        "retries": row.retries,
        "flaky": row.flaky,
        "allow_failure": row.allow_failure,
        "concurrency": row.lane or None,
        "needs": row.needs,
        "started_at": when(row.started_at),
        "finished_at": when(row.finished_at),
        "expected_seconds": None if state.ended else usual.get((row.name, row.kind)),
        "progress": row.progress if state is State.RUNNING else "",
        "reason": row.reason or waits or "",
        "code": row.code,
        "tail": row.tail,
        "log_url": links.log(row.run_id, row.name),
    }


def image(row: ImageRow) -> View:
    """Return an image."""
    return {
        "service": row.service,
        "tag": f"{row.name}:{row.revision}",
        "digest": row.digest,
        "release_digest": row.release_digest or None,
        "size": row.size,
        "builder": row.builder,
        "built_from": row.built_revision or row.revision,
        "tested": row.tested,
    }
