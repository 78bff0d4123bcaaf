"""What a project's account shows its git host: the token itself, or what a GitHub App's key buys."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from notify.forge_faults import AccountRefused
from pipeline.errors import Rejected
from pipeline.project import Project
from store import accounts
from store.accounts import Held
from workers.context import Context

SPARE = timedelta(minutes=1)


def secret_of(ctx: Context, held: Held) -> tuple[str, bool]:
    """Return what to show the host, and whether an App's key bought it some time ago."""
    try:
        if held.account.app_id is None:
            return ctx.seal.open(held.sealed, owner=held.owner), False
        if held.session and held.session_until and held.session_until - SPARE > ctx.now():
            return ctx.seal.open(held.session, owner=held.owner), True
    except Rejected as fault:
        raise AccountRefused(fault.sentence, code=fault.code, fix=fault.fix) from fault
    return buy(ctx, held), False


def own(ctx: Context, project: Project) -> Iterator[str]:
    """Yield what of ours nobody may read in a project's transcripts: its webhook secret, what it shows its host."""
    yield project.secret
    yield project.secret.removeprefix("whsec_")
    with ctx.database.read() as session:
        held = accounts.find(session, project.id)
    if held is None:
        return
    for sealed in filter(None, (held.sealed, held.session)):
        # What another key than this home's has sealed, nothing here can show either.
        with suppress(Rejected):
            yield ctx.seal.open(sealed, owner=held.owner)


def buy(ctx: Context, held: Held) -> str:
    """Buy a token with the App's key, and keep it, sealed, for the processes after this one."""
    try:
        key = ctx.seal.open(held.sealed, owner=held.owner)
    except Rejected as fault:
        raise AccountRefused(fault.sentence, code=fault.code, fix=fault.fix) from fault
    token, until = ctx.forges.session(held.account, key)
    with ctx.database.begin() as session:
        accounts.keep_session(session, held, ctx.seal.close(token, owner=held.owner), until)
    return token
