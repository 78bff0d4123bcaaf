"""How many webhooks were ever received: counted as they come, since deliveries themselves are forgotten."""

import re
from collections import Counter
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.plain import Plain
from store.schema import HookTallyRow

# Of those who cannot sign nothing is counted by their own words, or they could make as many rows as they like.
NOBODYS = ""
PLAIN_WORDS = re.compile(r"[A-Za-z0-9_:. -]{1,60}", re.ASCII)
ADD = (
    "INSERT INTO hook_tally (forge, event, result, count) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (forge, event, result) DO UPDATE SET count = hook_tally.count + excluded.count"
)


def add(session: Session, received: Iterable[tuple[str, str, str]]) -> None:
    """Count webhooks by (forge, event, result), in the transaction that takes them in."""
    counts = Counter(
        (forge, event if PLAIN_WORDS.fullmatch(event) else NOBODYS, said) for forge, event, said in received
    )
    # In one order everywhere, so that two processes never wait for each other.
    Plain(session).each(ADD, [(*labels, count) for labels, count in sorted(counts.items())])


def received(session: Session) -> dict[tuple[str, ...], int]:
    """Return how many webhooks were received, by (forge, event, result)."""
    query = select(HookTallyRow.forge, HookTallyRow.event, HookTallyRow.result, HookTallyRow.count)
    return {(forge, event, result): count for forge, event, result, count in session.execute(query)}
