"""Who asks, where and when, and what they are answered: the same for every verb and every mouth."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """Somebody asks: in this transaction, at this time, to be told of it in this channel."""

    session: Session
    at: datetime
    actor: str
    channel: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer: Slack's `*bold*` and back-ticks at most, for people; a code for programs.

    `everyone` says that the channel sees it, for something changes; `deployments` and `runs` are what was started.
    `replayed`: it was asked before with the same key, and not done again.
    """

    text: str
    code: str = "ok"
    everyone: bool = False
    deployments: tuple[int, ...] = ()
    runs: tuple[int, ...] = ()
    replayed: bool = False
