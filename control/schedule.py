"""Start the runs that are due by their schedules."""

from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from pipeline.names import run_name
from pipeline.push import HEADS, Push
from store import catalog, heads, messages, projects, runs, schedules
from store.schedules import Due

SCHEDULE = "schedule"

log = structlog.get_logger()


def start_due(session: Session, *, channel: str, at: datetime) -> None:
    """Make the run of each schedule whose time has come: of what its branch is by all that we know."""
    for due in schedules.take_due(session):
        run = _start(session, due, at)
        if run is None:
            log.warning("schedule_without_commit", project=due.project_id, branch=due.branch, cron=due.cron)
            continue
        messages.touch(session, "run", run, channel=channel, at=at)
        log.info("schedule_started", run=run_name(run), cron=due.cron)


def _start(session: Session, due: Due, at: datetime) -> int | None:
    project = projects.get(session, due.project_id)
    ref = f"{HEADS}{due.branch or project.default_branch}"
    revision = heads.told(session, project.id, ref) or catalog.pushed(session, project.id, ref)
    if not revision:
        return None
    asked = runs.Asked(
        again=f"{SCHEDULE} {due.cron} {due.at:.0f} {','.join(due.stages or ())}",
        reason=f"by its schedule, {due.cron}",
        wanted=None if due.stages is None else list(due.stages),
    )
    last = catalog.latest_run(session, project.id, revision)
    message, author = (last.message, last.author) if last else ("", "")
    push = Push(ref=ref, before=revision, after=revision, message=message, author=author)
    run, made = runs.create(session, project, push, trigger=SCHEDULE, at=at, asked=asked)
    return run if made else None
