"""Draw live messages. A message never delays or fails what it tells of."""

from dataclasses import replace

from sqlalchemy.orm import Session

from notify.faults import RateLimited, Refused
from notify.messages import draw
from pipeline.errors import SlipwayError, Unavailable
from pipeline.stories import Story
from store import jobs, messages, stories
from store.links import Links
from store.messages import LiveMessage
from workers.context import Context

# A message that cannot be delivered is tried for a day: 372 s for the first four times, then every quarter of an hour.
BACK_OFF = (2.0, 10.0, 60.0, 300.0, 900.0)
ATTEMPTS = 100


class Undrawn(Unavailable):
    """The chat has not answered for a day; `version` is what it was last asked to show."""

    def __init__(self, fault: Unavailable, *, version: int) -> None:
        super().__init__(fault.sentence, code=fault.code, fix=fault.fix)
        self.version = version


def handle(ctx: Context, claim: jobs.Claim) -> None:
    """Draw a message as things stand now, and once more if they have moved on meanwhile."""
    with ctx.database.read() as session:
        message = messages.get(session, claim.ref_id)
        story = _story(ctx, session, message)
    if message is None or story is None:
        _settle(ctx, claim, message)
        return
    try:
        ts = _draw(ctx, message, story)
    except RateLimited as wait:
        _put_back(ctx, claim, wait.seconds, counts=False)
    except Unavailable as fault:
        if claim.attempt >= ATTEMPTS:
            raise Undrawn(fault, version=message.version) from fault
        _put_back(ctx, claim, BACK_OFF[min(claim.attempt, len(BACK_OFF)) - 1], counts=True)
    except Refused as refusal:
        with ctx.database.begin() as session:
            jobs.finish(session, claim)
            _failed(ctx, session, message.id, refusal, version=message.version)
    else:
        _drawn(ctx, claim, message, ts)


def give_up(ctx: Context, session: Session, claim: jobs.Claim, fault: SlipwayError) -> None:
    """Keep why a message was not drawn, in the transaction that has ended its job."""
    _failed(ctx, session, claim.ref_id, fault, version=fault.version if isinstance(fault, Undrawn) else None)


def _story(ctx: Context, session: Session, message: LiveMessage | None) -> Story | None:
    if message is None or message.version <= message.drawn:
        return None
    return stories.story(session, message.kind, message.ref_id, Links(web=ctx.web_url, proxy_port=ctx.proxy_port))


def _draw(ctx: Context, message: LiveMessage, story: Story) -> str:
    """Post or redraw; a crash right after it can post a message twice in Slack, and never in the recorder."""
    drawing = replace(draw(story, web_url=ctx.web_url, channel=message.channel), key=str(message.id))
    return ctx.chat.update(message.ts, drawing) if message.ts else ctx.chat.post(drawing)


def _drawn(ctx: Context, claim: jobs.Claim, message: LiveMessage, ts: str) -> None:
    """Record the drawing. The job rests before it is done again, so that a burst of changes is drawn once a pause."""
    with ctx.database.begin() as session:
        if messages.drawn(session, message.id, ts=ts, version=message.version):
            jobs.put_back(session, claim, delay=ctx.chat.pause, counts=False)
        else:
            jobs.finish(session, claim, rest=ctx.chat.pause)


def _settle(ctx: Context, claim: jobs.Claim, message: LiveMessage | None) -> None:
    """End a job that has nothing to draw, unless something came up since it looked."""
    with ctx.database.begin() as session:
        now = messages.get(session, claim.ref_id, lock=True)
        if message is not None and now is not None and now.version > message.version:
            jobs.put_back(session, claim, delay=0.0, counts=False)
        else:
            jobs.finish(session, claim)


def _failed(ctx: Context, session: Session, message_id: int, fault: SlipwayError, *, version: int | None) -> None:
    """Keep why `version` was not drawn, after its job has ended; what came up meanwhile has yet to be tried."""
    now = messages.get(session, message_id, lock=True)
    if now is None:
        return
    messages.failed(session, message_id, fault.sentence)
    if version is not None and now.version > version:
        jobs.add(session, jobs.JobKind.MESSAGE, message_id, at=ctx.now())


def _put_back(ctx: Context, claim: jobs.Claim, delay: float, *, counts: bool) -> None:
    with ctx.database.begin() as session:
        jobs.put_back(session, claim, delay=delay, counts=counts)
