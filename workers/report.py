"""Tell git hosts what became of what they sent. Telling never delays or fails what it tells of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.orm import Session

from notify.forge_faults import AccountRefused, Refused, Silent, Wait
from pipeline.errors import SlipwayError, Unavailable
from pipeline.forge_ports import Teller
from store import accounts, jobs, reports
from store.accounts import Held
from store.links import Links
from store.reports import Report
from workers.context import Context
from workers.report_steps import Step, next_step
from workers.tokens import buy, secret_of

# What cannot be told is tried for a day: 372 s for the first four times, then every quarter of an hour.
BACK_OFF = (2.0, 10.0, 60.0, 300.0, 900.0)
ATTEMPTS = 100
# A host that does not answer at all is left alone by all reports of its account, no longer than this.
LONGEST_REST = 300.0
# After so many calls others get their turn.
MOST_CALLS = 50

log = structlog.get_logger()


class Untold(Unavailable):
    """The host could not be told for a day; `version` is the report's when that was tried last."""

    def __init__(self, fault: Unavailable, *, version: int) -> None:
        super().__init__(fault.sentence, code=fault.code, fix=fault.fix)
        self.version = version


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What came of a step: what to keep of it, and why the host refused it, if it did."""

    step: Step
    kept: Mapping[str, Any]
    refusal: Refused | None = None


def handle(ctx: Context, claim: jobs.Claim) -> None:
    """Tell a host all that is new of one revision or deployment; what moves meanwhile is told as it stands then."""
    found = _account(ctx, claim)
    if found is None:
        return
    held, version = found
    try:
        _tell(ctx, claim, held)
    except AccountRefused as refusal:
        log.warning("forge_account_refused", project=held.project, code=refusal.code, detail=refusal.sentence)
        with ctx.database.begin() as session:
            _failed(session, claim, refusal)
            accounts.broke(session, held, refusal)
            jobs.finish(session, claim)
    except Wait as wait:
        _put_back(ctx, claim, held, wait, delay=wait.seconds, rest=wait.seconds, counts=False)
    except Unavailable as fault:
        if claim.attempt >= ATTEMPTS:
            raise Untold(fault, version=version) from fault
        delay = BACK_OFF[min(claim.attempt, len(BACK_OFF)) - 1]
        rest = min(delay, LONGEST_REST) if isinstance(fault, Silent) else 0.0
        _put_back(ctx, claim, held, fault, delay=delay, rest=rest, counts=True)


def give_up(ctx: Context, session: Session, claim: jobs.Claim, fault: SlipwayError) -> None:
    """Keep why a host was not told, in the transaction that has ended the job; what came up since is tried anew."""
    report = reports.get(session, claim.ref_id)
    _failed(session, claim, fault)
    if report is not None and isinstance(fault, Untold) and report.version > fault.version:
        jobs.add(session, jobs.JobKind.REPORT, report.id, at=ctx.now())


def _account(ctx: Context, claim: jobs.Claim) -> tuple[Held, int] | None:
    """Return who is to tell it, and its version; nobody, if there is no account or its host is to be left alone."""
    with ctx.database.begin() as session:
        report = reports.get(session, claim.ref_id)
        held = accounts.find(session, report.project_id) if report else None
        if report is None or held is None or held.broken:
            jobs.finish(session, claim)
            return None
        if held.rest > 0:
            jobs.put_back(session, claim, delay=held.rest, counts=False)
            return None
    return held, report.version


def _tell(ctx: Context, claim: jobs.Claim, held: Held) -> None:
    secret, bought = secret_of(ctx, held)
    try:
        _tell_all(ctx, claim, held, ctx.forges.teller(held.account, secret))
    except AccountRefused as refusal:
        if not bought or refusal.code != AccountRefused.code:
            raise
        # What the App's key bought earlier may have been taken back since; what it buys now cannot have been.
        _tell_all(ctx, claim, held, ctx.forges.teller(held.account, buy(ctx, held)))


def _tell_all(ctx: Context, claim: jobs.Claim, held: Held, teller: Teller) -> None:
    taken: Taken | None = None
    for _ in range(MOST_CALLS):
        step = _next(ctx, claim, held, taken)
        if step is None:
            return
        try:
            taken = Taken(step=step, kept=step.call(teller))
        except Refused as refusal:
            taken = Taken(step=step, kept=step.kept, refusal=refusal)
    with ctx.database.begin() as session:
        _keep(ctx, session, claim, held, taken)
        jobs.put_back(session, claim, delay=0.0, counts=False)


def _next(ctx: Context, claim: jobs.Claim, held: Held, taken: Taken | None) -> Step | None:
    """Keep what the host has taken, and return what to tell next, noted before it is told; with nothing left, end."""
    links = Links(web=ctx.web_url, proxy_port=ctx.proxy_port)
    with ctx.database.begin() as session:
        _keep(ctx, session, claim, held, taken)
        report = reports.get(session, claim.ref_id)
        if report is None or _is_over(report, taken):
            jobs.finish(session, claim, rest=ctx.forges.pause)
            return None
        step = next_step(session, report, held.account.forge, links, ctx.home)
        if step is None:
            reports.done(session, report)
            jobs.finish(session, claim, rest=ctx.forges.pause)
            return None
        jobs.renew(session, claim)
        reports.asking(session, report.id, step.what)
    return step


def _is_over(report: Report, taken: Taken | None) -> bool:
    """Tell whether there is no use in going on: the host refused all, and nothing has changed since it was asked."""
    return taken is not None and taken.refusal is not None and taken.step.alone and report.version == taken.step.version


def _keep(ctx: Context, session: Session, claim: jobs.Claim, held: Held, taken: Taken | None) -> None:
    report = reports.get(session, claim.ref_id)
    if taken is None or report is None:
        return
    jobs.renew(session, claim)
    reports.told(session, report.id, {**report.told, **taken.kept}, live=taken.step.live)
    if taken.refusal is not None:
        log.warning("report_refused", project=held.project, subject=report.subject, detail=taken.refusal.sentence)
        reports.failed(session, report.id, taken.refusal)
    else:
        accounts.well(session, held, at=ctx.now())


def _put_back(
    ctx: Context, claim: jobs.Claim, held: Held, fault: Unavailable, *, delay: float, rest: float, counts: bool
) -> None:
    with ctx.database.begin() as session:
        _failed(session, claim, fault)
        accounts.troubled(session, held, fault, rest=rest)
        jobs.put_back(session, claim, delay=delay, counts=counts)


def _failed(session: Session, claim: jobs.Claim, fault: SlipwayError) -> None:
    if reports.get(session, claim.ref_id) is not None:
        reports.failed(session, claim.ref_id, fault)
