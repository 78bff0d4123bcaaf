"""Look at a project's repository for what nobody told of, and take it in through the door that webhooks come by."""

import structlog
from sqlalchemy.orm import Session

from control.found import take_in_seen
from control.intake import DUPLICATE
from pipeline.clone_url import site
from pipeline.errors import NotFound, Rejected, SlipwayError, StageFailed, Unavailable
from pipeline.looking import SECOND_LOOK, Look, all_gone, back_off, compare, pause
from pipeline.project import Project
from pipeline.push import Push, is_zero
from store import heads, jobs, projects, refs
from store.races import settled
from workers import asking
from workers.context import Context

MOST_EVENTS = 50
# A host that is away for good is asked for weeks; then the clock begins anew.
ATTEMPTS = 1000
TIMEOUT = "git_timeout"

log = structlog.get_logger()


def handle(ctx: Context, claim: jobs.Claim) -> None:
    """Look once; what a second look still finds is taken in. A host that is away is left alone, longer each time."""
    try:
        with ctx.database.read() as session:
            project = projects.get(session, claim.ref_id)
    except NotFound as fault:
        log.warning("not_looked_at", project=claim.ref_id, code=fault.code, detail=fault.sentence)
        _finish(ctx, claim, again=False)
        return
    try:
        look = _look(ctx, project)
    except (Rejected, StageFailed, Unavailable) as fault:
        _leave_alone(ctx, claim, project, fault)
        return
    sure = look.sure[:MOST_EVENTS]
    found = [push for push in sure if _tell(ctx, claim, push)]
    if look.sure:
        left = len(look.sure) - len(sure)
        log.info("found_by_looking", project=project.name, told=len(found), left_for_the_next_round=left)
    with ctx.database.begin() as session:
        heads.swept(session, project.id, recovered=sum(not is_zero(push.after) for push in found), at=ctx.now())
    _finish(ctx, claim, again=look.again)
    if claim.attempt > 1:
        _welcome_back(ctx, project)


def _leave_alone(ctx: Context, claim: jobs.Claim, project: Project, fault: SlipwayError) -> None:
    """Put the look off; the job's attempts are the looks that failed in a row, for one that succeeds ends it.

    Where the host did not answer at all, the looks at what else it has would only hold up whoever waits behind them.
    """
    delay = back_off(project.id, claim.attempt, ctx.sweep_seconds)
    log.warning("not_looked_at", project=project.id, code=fault.code, detail=fault.sentence, again_in=round(delay))
    with ctx.database.begin() as session:
        jobs.put_back(session, claim, delay=delay)
    if fault.code == TIMEOUT:
        with ctx.database.begin() as session:
            others = projects.neighbours(session, project)
            jobs.put_off(session, jobs.JobKind.SWEEP, others, delay=pause(project.id, claim.fence, ctx.sweep_seconds))


def _welcome_back(ctx: Context, project: Project) -> None:
    """Have the others at a host that answers again looked at soon."""
    with ctx.database.begin() as session:
        others = projects.neighbours(session, project)
        if others:
            jobs.hasten(session, jobs.JobKind.SWEEP, *others, delay=SECOND_LOOK.total_seconds())


def _look(ctx: Context, project: Project) -> Look:
    """Ask the host, compare with what was told, and note what is news."""
    tips = asking.tips(ctx, project)
    now = ctx.now()
    with ctx.database.begin() as session:
        projects.current(session, {project.id})  # so that no webhook tells of what we are noting
        if heads.never_swept(session, project.id):
            heads.take_as_told(session, project.id, tips, at=now)
            heads.swept(session, project.id, recovered=0, at=now)
        known = heads.known(session, project.id)
        if all_gone(tips, known):
            raise Unavailable(
                f"{site(project.url)} shows no branch and no tag where there were some", code="source_empty"
            )
        look = compare(tips, known, now, every=ctx.sweep_seconds)
        heads.note(session, project.id, look.noted, at=now)
        heads.settle(session, project.id, look.settled)
        heads.forget(session, project.id, look.vanished)
    return look


def _tell(ctx: Context, claim: jobs.Claim, push: Push) -> bool:
    """Take a push in and return whether it was news: its webhook, or that of a later one, may have come meanwhile."""

    def take_in(session: Session) -> str:
        at, look = ctx.now(), f"{claim.id}.{claim.fence}"
        project = projects.current(session, {claim.ref_id})[claim.ref_id]
        if not heads.is_news(session, project.id, push.ref, "" if is_zero(push.before) else push.before):
            return DUPLICATE
        answer = take_in_seen(session, project, push, look=look, at=at, channel=ctx.channel)
        # Whatever became of it: it is not to be found again.
        refs.note(session, [((project.id, push.ref), None if is_zero(push.after) else push.after)], at=at)
        return answer.code

    return settled(ctx.database, take_in) != DUPLICATE


def _finish(ctx: Context, claim: jobs.Claim, *, again: bool) -> None:
    with ctx.database.begin() as session:
        jobs.finish(session, claim)
        if again:
            # Added, not put back: what failed before this look no longer counts.
            delay = SECOND_LOOK.total_seconds() + 0.5
            jobs.add(session, jobs.JobKind.SWEEP, claim.ref_id, at=ctx.now(), delay=delay)
