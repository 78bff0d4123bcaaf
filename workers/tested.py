"""What follows once it is recorded that a commit has passed all its builds and tests: tags say so."""

from sqlalchemy.orm import Session

from pipeline.decide import OWN_TAGS
from pipeline.errors import SlipwayError
from store import jobs, messages, projects, stage_work
from store.schema import StageRow
from workers import asking
from workers.context import Context
from workers.publish import move_tags


def handle(ctx: Context, claim: jobs.Claim) -> None:
    """Say by tags that a commit is good: `tested` in the registry, and in git the build's number if that is wanted."""
    with ctx.database.begin() as session:
        jobs.renew(session, claim)
        work = stage_work.work(session, claim.ref_id)
        project = projects.get(session, work.project_id)
    if work.branch == project.default_branch:
        move_tags(ctx, project, work, ("tested",))
    if work.build_number is not None and (project.rules or {}).get(OWN_TAGS):
        asking.push_tag(ctx, project, work.revision, f"build-{work.branch}-{work.build_number}")
    with ctx.database.begin() as session:
        jobs.finish(session, claim)


def give_up(ctx: Context, session: Session, claim: jobs.Claim, fault: SlipwayError) -> None:
    """Say on the stage why a tag could not be given; its run is as good as before."""
    row = session.get_one(StageRow, claim.ref_id)
    row.reason = "; ".join(part for part in (row.reason, f"a tag could not be given: {fault.sentence}") if part)
    messages.touch(session, "run", row.run_id, channel=ctx.channel, at=ctx.now())
