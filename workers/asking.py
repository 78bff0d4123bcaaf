"""Ask a project's git host, with the project's token where it has one."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import structlog

from notify.forge_faults import AccountRefused
from pipeline.credentials import Credentials, SourceForbidden, credentials, fits
from pipeline.ports import Tip
from pipeline.project import Project
from store import accounts
from store.accounts import Held
from workers.context import Context
from workers.tokens import buy, secret_of

T = TypeVar("T")
Question = Callable[[Credentials | None], T]

log = structlog.get_logger()


def fetch(ctx: Context, project: Project, ref: str, revision: str) -> None:
    """Bring a ref into the project's mirror. Raises StageFailed if it is gone or no longer holds the revision."""
    _ask(ctx, project, lambda known: ctx.source.fetch(project.name, project.url, ref, revision, credentials=known))


def tip(ctx: Context, project: Project, ref: str) -> str:
    """Bring a ref into the project's mirror and return the object it is. Raises StageFailed if it is gone."""
    return _ask(ctx, project, lambda known: ctx.source.tip(project.name, project.url, ref, credentials=known))


def push_tag(ctx: Context, project: Project, revision: str, name: str) -> None:
    """Give a commit a tag at the host. Raises Unavailable or SourceForbidden if that does not take it."""
    _ask(ctx, project, lambda known: ctx.source.push_tag(project.name, project.url, revision, name, credentials=known))


def find(ctx: Context, project: Project, ref: str, prefix: str) -> str:
    """Bring a ref into the project's mirror and return the one commit on it that begins so, or nothing."""
    return _ask(ctx, project, lambda known: ctx.source.find(project.name, project.url, ref, prefix, credentials=known))


def tips(ctx: Context, project: Project) -> Mapping[str, Tip]:
    """Return every branch and tag that the host has."""
    return _ask(ctx, project, lambda known: ctx.source.tips(project.name, project.url, credentials=known))


def _ask(ctx: Context, project: Project, question: Question[T]) -> T:
    """Ask as the project's account; where that is not let in, as anybody, for a public repository needs no token."""
    held = _held(ctx, project)
    if held is None:
        return question(None)
    try:
        return _ask_as(ctx, project, held, question)
    except (SourceForbidden, AccountRefused) as refusal:
        try:
            answer = question(None)
        except SourceForbidden:
            raise refusal from None
        log.warning("token_not_taken", project=project.name, code=refusal.code, detail=refusal.sentence)
        return answer


def _ask_as(ctx: Context, project: Project, held: Held, question: Question[T]) -> T:
    if held.broken and held.code == AccountRefused.code:
        # The host's API did not know this token; showing it again would look like somebody guessing.
        raise SourceForbidden(f"{held.fault}: set another with ./slipway project token {project.name}")
    secret, bought = secret_of(ctx, held)
    try:
        return question(credentials(held.account, project.url, secret))
    except SourceForbidden:
        if not bought:
            raise
        # What the App's key bought earlier may have been taken back since.
        return question(credentials(held.account, project.url, buy(ctx, held)))


def _held(ctx: Context, project: Project) -> Held | None:
    """Return the account whose token may be shown at the project's address, if there is one."""
    if not project.url.startswith("https://"):
        return None
    with ctx.database.read() as session:
        held = accounts.find(session, project.id)
    return held if held and fits(held.account, project.url) else None
