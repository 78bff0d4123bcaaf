"""A commit that has passed all its builds and tests: recorded with the last of them, told by tags afterwards.

Two stages may end at the same time, each seeing the other at work; whichever is recorded second sees both.
"""

from sqlalchemy.orm import Session

from pipeline.decide import OWN_TAGS
from pipeline.errors import SlipwayError
from pipeline.stage import Kind
from store import images, jobs, messages, projects, runs
from store.schema import StageRow
from workers import asking
from workers.against import OTHER
from workers.context import Context
from workers.publish import move_tags
from workers.stage import Scene


def mark_tested(session: Session, scene: Scene) -> None:
    """Note that the commit's images are good once every build and test of the run but this one has passed.

    A run of some stages only proves nothing of the others, and a stranger's nothing to anybody.
    """
    work = scene.work
    if work.trusted and work.wanted is None and is_last_check(session, scene):
        images.tested(session, scene.project.id, scene.work.revision)
        if work.branch is not None:
            jobs.add(session, jobs.JobKind.TESTED, scene.work.stage.id, at=scene.ctx.now())


def is_last_check(session: Session, scene: Scene) -> bool:
    """Tell whether every build and test of the run but this one has passed, was left out, or failed and may.

    One that passed before another commit's deployment than it needed has not.
    """
    run = runs.load(session, scene.work.run_id)
    others = [one for one in run.stages if one.kind in {Kind.BUILD, Kind.TEST} and one.id != scene.work.stage.id]
    return all(one.lets_others_start and one.code != OTHER for one in others)


def handle(ctx: Context, claim: jobs.Claim) -> None:
    """Say by tags that a commit is good: `tested` in the registry, and in git the build's number if that is wanted."""
    with ctx.database.begin() as session:
        jobs.renew(session, claim)
        work = runs.work(session, claim.ref_id)
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
