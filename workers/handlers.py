"""Which handler does which kind of job."""

from sqlalchemy.orm import Session

from pipeline.errors import SlipwayError
from pipeline.stage import Kind
from store.jobs import Claim, JobKind
from workers import (
    announce,
    build,
    chat,
    check,
    deploy,
    mend,
    picture,
    prune,
    publication,
    reap,
    report,
    source,
    stage,
    sweep,
    task,
    tested,
)
from workers.context import Context
from workers.steps import Handler

STAGES: dict[Kind, stage.KindOfWork] = {
    Kind.SOURCE: source.fetch,
    Kind.BUILD: build.build,
    Kind.TEST: check.check,
    Kind.DEPLOY: deploy.stage,
    Kind.TASK: task.task,
}


def _nothing(_ctx: Context, _session: Session, _claim: Claim, _fault: SlipwayError) -> None:
    """Leave it: the clock asks for it again in a few seconds."""


HANDLERS = {
    JobKind.STAGE: Handler(
        do=lambda ctx, claim: stage.carry(ctx, claim, STAGES), give_up=stage.give_up, retry=stage.retry
    ),
    JobKind.DEPLOYMENT: Handler(do=deploy.handle, give_up=deploy.give_up),
    JobKind.MEND: Handler(do=mend.handle, give_up=_nothing),
    JobKind.SHOW: Handler(do=picture.handle, give_up=_nothing),
    JobKind.MESSAGE: Handler(do=announce.handle, give_up=announce.give_up, attempts=announce.ATTEMPTS),
    JobKind.SWEEP: Handler(do=sweep.handle, give_up=_nothing, attempts=sweep.ATTEMPTS),
    JobKind.REPORT: Handler(do=report.handle, give_up=report.give_up, attempts=report.ATTEMPTS),
    JobKind.REAP: Handler(do=reap.handle, give_up=_nothing),
    JobKind.PRUNE: Handler(do=prune.handle, give_up=_nothing),
    JobKind.TESTED: Handler(do=tested.handle, give_up=tested.give_up),
    JobKind.PUBLICATION: Handler(do=publication.handle, give_up=publication.give_up),
    JobKind.COMMAND: Handler(do=chat.handle, give_up=chat.give_up),
}
