"""Do one job: claim it, beat for it, do it, and turn every error into a record. The only place that does so."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from pipeline.errors import Busy, SlipwayError, StaleFence, Unavailable
from store import jobs
from workers.context import Context
from workers.heartbeat import Heartbeat

ATTEMPTS = 3
BACK_OFF = (2.0, 10.0, 60.0)
BUSY_PAUSE = 0.3

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Handler:
    """How jobs of one kind are done, and what is recorded when they cannot be.

    `do` returns the claim on the job to go on with, if it has taken one. `give_up` and `retry` write into the
    transaction that ends or puts back the job.
    """

    do: Callable[[Context, jobs.Claim], jobs.Claim | None]
    give_up: Callable[[Context, Session, jobs.Claim, SlipwayError], None]
    retry: Callable[[Context, Session, jobs.Claim, str], None] = lambda _ctx, _session, _claim, _sentence: None
    attempts: int = ATTEMPTS


def run_job(ctx: Context, handlers: Mapping[jobs.JobKind, Handler], job_id: int, owner: str) -> None:
    """Do a job if it is still to be done, and what follows it; a second delivery of its id finds it taken."""
    with ctx.database.begin() as session:
        claim = jobs.claim(session, job_id, owner)
    while claim is not None:
        claim = _held(ctx, handlers, claim)


def _held(ctx: Context, handlers: Mapping[jobs.JobKind, Handler], claim: jobs.Claim) -> jobs.Claim | None:
    ctx.stopping.clear()
    with Heartbeat(ctx, claim), structlog.contextvars.bound_contextvars(job=claim.id, kind=str(claim.kind)):
        try:
            return _carry(ctx, handlers[claim.kind], claim)
        except StaleFence:
            log.warning("stale_fence", fence=claim.fence)
            return None


def _carry(ctx: Context, handler: Handler, claim: jobs.Claim) -> jobs.Claim | None:
    try:
        if claim.attempt > handler.attempts:
            raise Unavailable(f"its worker died {handler.attempts} times", code="worker_died")
        return handler.do(ctx, claim)
    except StaleFence:
        raise
    except Busy:
        _put_back(ctx, claim, BUSY_PAUSE, counts=False)
    except SlipwayError as fault:
        _failed(ctx, handler, claim, fault)
    except Exception as fault:
        log.exception("unexpected_fault")
        _failed(ctx, handler, claim, Unavailable(f"Slipway itself failed: {type(fault).__name__}", code="internal"))
    return None


def _failed(ctx: Context, handler: Handler, claim: jobs.Claim, fault: SlipwayError) -> None:
    if isinstance(fault, Unavailable) and claim.attempt < handler.attempts:
        delay = BACK_OFF[min(claim.attempt, len(BACK_OFF)) - 1]
        log.warning("job_put_back", code=fault.code, detail=fault.sentence, delay=delay)
        with ctx.database.begin() as session:
            jobs.put_back(session, claim, delay=delay)
            handler.retry(ctx, session, claim, f"{fault.sentence}. This is not your code. Trying again in {delay:g} s.")
        return
    log.error("job_given_up", code=fault.code, detail=fault.sentence)
    with ctx.database.begin() as session:
        jobs.finish(session, claim)
        handler.give_up(ctx, session, claim, fault)


def _put_back(ctx: Context, claim: jobs.Claim, delay: float, *, counts: bool) -> None:
    with ctx.database.begin() as session:
        jobs.put_back(session, claim, delay=delay, counts=counts)
