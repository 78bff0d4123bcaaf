"""Reap: end what was told to stop and does not, and take away what nothing needs any more.

It looks at what is there and compares that with the database, the same after a crash as in normal life; two that do it
at once are in nobody's way.
"""

import structlog

from pipeline.leftovers import RUN, STAGE, Orphan, orphans
from pipeline.names import run_name
from store import ends, jobs, leftovers
from workers.context import Context

# A run that was told to stop has this long to do so by itself.
STOP_SECONDS = 10.0

log = structlog.get_logger()


def handle(ctx: Context, claim: jobs.Claim) -> None:
    """Look once."""
    end_stopped(ctx)
    for orphan in left_over(ctx):
        owned = orphan.owned
        gone = ctx.engine.discard(owned)
        log.info("reaped" if gone else "still_used", kind=str(owned.kind), name=owned.name, why=orphan.why)
    ctx.source.tidy()
    with ctx.database.begin() as session:
        jobs.finish(session, claim)


def left_over(ctx: Context) -> list[Orphan]:
    """Return what nothing needs. The engine first: what begins after that is in the database before it is there."""
    there = ctx.engine.inventory()
    with ctx.database.read() as session:
        return list(orphans(there, leftovers.known(session, there)))


def end_stopped(ctx: Context) -> None:
    """End what waits of runs that were told to stop, and by force what goes on for too long."""
    with ctx.database.begin() as session:
        for run_id in ends.stopped(session):
            ends.end_waiting(session, run_id, channel=ctx.channel, at=ctx.now())
        late = ends.overdue(session, max(STOP_SECONDS, ctx.stop_seconds))
    for one in late:
        # First nothing runs any more, then it is said.
        for container in ctx.engine.containers({RUN: run_name(one.run_id), STAGE: one.stage}):
            ctx.engine.remove(container.name, grace=0)
        with ctx.database.begin() as session:
            ends.end_overdue(session, one, channel=ctx.channel, at=ctx.now())
        log.warning("ended_by_force", run=run_name(one.run_id), stage=one.stage)
