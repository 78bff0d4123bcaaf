"""Do what people say in Slack: the deed, the answer and the end of the job are one transaction."""

import structlog
from sqlalchemy.orm import Session

from control.asking import Ask, Reply
from control.speak import Spoken, speak
from notify.messages import reply_message
from pipeline.errors import SlipwayError
from store import commands, jobs
from store.commands import Command
from workers.context import Context

BROKEN = "Slipway could not do that; nothing was changed. The operator finds why in the log."

log = structlog.get_logger()


def handle(ctx: Context, claim: jobs.Claim) -> None:
    """Do a command once, then answer whoever spoke, as well as can be."""
    with ctx.database.begin() as session:
        jobs.finish(session, claim)
        command = commands.get(session, claim.ref_id)
        if command.reply is not None:
            return
        spoken = _speak(ctx, session, command)
        commands.answer(session, command.id, spoken.as_json(), at=ctx.now())
    _tell(ctx, command, spoken.reply)


def give_up(ctx: Context, session: Session, claim: jobs.Claim, _fault: SlipwayError) -> None:
    """Keep that a command could not be done."""
    command = commands.get(session, claim.ref_id)
    if command.reply is None:
        broken = Spoken(intent=None, reply=Reply(text=BROKEN, code="error"))
        commands.answer(session, command.id, broken.as_json(), at=ctx.now())


def _speak(ctx: Context, session: Session, command: Command) -> Spoken:
    channel = command.channel or ctx.channel
    return speak(Ask(session=session, at=ctx.now(), actor=command.person, channel=channel), command.line)


def _tell(ctx: Context, command: Command, reply: Reply) -> None:
    """Answer; what was done stands whether or not anybody can be told of it."""
    message = reply_message(reply.text, channel=command.channel or ctx.channel, everyone=reply.everyone)
    try:
        ctx.chat.reply(command.response_url, message)
    except SlipwayError as fault:
        log.warning("command_unanswered", command=command.id, code=fault.code, detail=fault.sentence)
