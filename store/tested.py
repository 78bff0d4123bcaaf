"""A commit that has passed all its builds and tests: recorded in the transaction that ends the last of them.

Two stages may end at the same time, each seeing the other at work; whichever is recorded second sees both.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from pipeline.run import Run
from pipeline.stage import CHECKS
from store import images, jobs
from store.stage_work import StageWork


def mark(session: Session, work: StageWork, run: Run, *, at: datetime) -> None:
    """Note that the commit's images are good, if with this end of a build or a test its whole run says so.

    A run of some stages only proves nothing of the others, and a stranger's nothing to anybody.
    """
    if work.stage.kind in CHECKS and work.trusted and work.wanted is None and run.proves_its_commit:
        images.tested(session, work.project_id, work.revision)
        if work.branch is not None:
            jobs.add(session, jobs.JobKind.TESTED, work.stage.id, at=at)
