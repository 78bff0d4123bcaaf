"""The board: one card a project, answering "is the default branch green, and what is under way"."""

from statistics import median
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from pipeline.push import HEADS
from store.links import Links
from store.schema import WHOLE, ProjectRow, RunRow, StageRow
from store.views import Page, RunFilter, View, runs, when
from store.views_lists import last_delivery

JUDGED = ("passed", "failed", "error")
IN_FLIGHT = frozenset({"queued", "running", "waiting"})
BARS = 20


def board(session: Session, links: Links) -> list[View]:
    """Return the cards, the project where something happened last first."""
    cards = [_card(session, links, project) for project in session.scalars(select(ProjectRow))]
    return sorted(cards, key=lambda card: card["moved_at"], reverse=True)


def _card(session: Session, links: Links, project: ProjectRow) -> View:
    recent = runs(session, links, RunFilter(project=project.name), Page(limit=BARS))["items"]
    return {
        "name": project.name,
        "forge": project.forge,
        "hook_url": links.hook(project.forge, project.name),
        "branch": project.default_branch,
        "head": _head(session, project),
        "runs": recent,
        "in_flight": [run for run in recent if run["state"] in IN_FLIGHT],
        "usual_seconds": _usual(session, project.id),
        "delivery": None if recent else last_delivery(session, project.id),
        "moved_at": recent[0]["created_at"] if recent else when(project.created_at),
    }


def _head(session: Session, project: ProjectRow) -> View | None:
    """Return the default branch's state by its whole runs, since when it is so, and whose push made it so."""
    judged = (
        select(RunRow)
        .where(
            RunRow.project_id == project.id,
            RunRow.ref == f"{HEADS}{project.default_branch}",
            RunRow.state.in_(JUDGED),
            WHOLE,
        )
        .order_by(RunRow.id.desc())
    )
    newest = session.scalar(judged.limit(1))
    if newest is None:
        return None
    other = session.scalar(judged.where(RunRow.state != newest.state).limit(1))
    first = session.scalar(_after(judged, other).order_by(None).order_by(RunRow.id).limit(1)) or newest
    return {
        "state": newest.state,
        "flaky": session.scalar(select(StageRow.id).where(StageRow.run_id == newest.id, StageRow.flaky).limit(1))
        is not None,
        "run": f"r{newest.id}",
        "revision": newest.revision,
        "since": when(first.finished_at or first.created_at),
        "since_run": f"r{first.id}",
        "author": first.author,
    }


def _after(query: Select[Any], other: RunRow | None) -> Select[Any]:
    return query.where(RunRow.id > other.id) if other else query


def _usual(session: Session, project_id: int) -> float | None:
    """Return how long a whole run that passed usually took: the median of the last twenty."""
    rows = session.execute(
        select(RunRow.started_at, RunRow.finished_at, RunRow.earlier_seconds)
        .where(RunRow.project_id == project_id, RunRow.state == "passed", WHOLE)
        .order_by(RunRow.id.desc())
        .limit(BARS)
    )
    times = [earlier + (end - start).total_seconds() for start, end, earlier in rows if start and end]
    return median(times) if times else None
