"""Which handler does which kind of job."""

from pipeline.stage import Kind
from store.jobs import JobKind
from workers import announce, build, chat, check, deploy, mend, source, stage
from workers.steps import Handler

STAGES: dict[Kind, stage.KindOfWork] = {
    Kind.SOURCE: source.fetch,
    Kind.BUILD: build.build,
    Kind.TEST: check.check,
    Kind.DEPLOY: deploy.stage,
}

HANDLERS = {
    JobKind.STAGE: Handler(
        do=lambda ctx, claim: stage.carry(ctx, claim, STAGES), give_up=stage.give_up, retry=stage.retry
    ),
    JobKind.DEPLOYMENT: Handler(do=deploy.handle, give_up=deploy.give_up),
    JobKind.MEND: Handler(do=mend.handle, give_up=lambda _ctx, _session, _claim, _fault: None),
    JobKind.MESSAGE: Handler(do=announce.handle, give_up=announce.give_up, attempts=announce.ATTEMPTS),
    JobKind.COMMAND: Handler(do=chat.handle, give_up=chat.give_up),
}
