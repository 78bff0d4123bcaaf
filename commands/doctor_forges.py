"""The doctor's questions about git hosts' accounts, answered from what the last answers met."""

from functools import partial
from pathlib import Path

from sqlalchemy.engine import make_url

from config.settings import Settings
from runtime.stack_checks import Check
from store import accounts
from store.migrate import is_current
from store.session import Database


def answers(settings: Settings) -> dict[str, tuple[Check, str]]:
    """Return how to look at each project's account, by what is asked, with what mends it."""
    parsed = make_url(settings.database_url)
    missing = parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file()
    if missing or not is_current(settings.database_url):
        return {}
    with Database(settings.database_url).read() as session:
        return {
            f"{held.project} answers {held.account.api_url}": (
                partial(_fault, held),
                f"./slipway project token {held.project}" if held.broken else "waiting; it is tried again by itself",
            )
            for held in accounts.everyone(session)
        }


def _fault(held: accounts.Held) -> str | None:
    return held.fault or None
