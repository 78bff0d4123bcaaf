"""End runs that have gone on for longer than any may."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from pipeline.names import run_name
from pipeline.telling import span
from store import messages, runs

log = structlog.get_logger()


def end_overdue(session: Session, seconds: float, *, channel: str, at: datetime) -> None:
    """Ask each run to stop that began more than `seconds` ago; 0 lets them go on for ever."""
    if not seconds:
        return
    for run in runs.begun_before(session, at - timedelta(seconds=seconds)):
        runs.request_cancel(session, run, f"it has gone on for {span(seconds)}, longer than any run may")
        messages.touch(session, "run", run, channel=channel, at=at)
        log.warning("run_overdue", run=run_name(run), seconds=seconds)
