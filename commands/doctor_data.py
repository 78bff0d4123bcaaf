"""The doctor's questions to the database."""

from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.engine import make_url

from runtime.stack_checks import dns_answers
from store.migrate import is_current
from store.schema import LeaseRow, RouteRow
from store.session import Database, now

CLOCK = "clock"


def database_is_current(url: str) -> str | None:
    """Check that the database is there, has the newest shape and can be written to."""
    if not _exists(url):
        return "there is none yet"
    if not is_current(url):
        return "its tables are not those of this version"
    with Database(url).begin() as session:
        # A transaction that may write has begun: on SQLite it holds the lock now, and the disk let it.
        session.execute(text("SELECT 1"))
    return None


def clock_beats(url: str) -> str | None:
    """Check that a clock holds its lease."""
    if not _exists(url) or not is_current(url):
        return "the database is not ready"
    with Database(url).read() as session:
        beat = session.scalar(select(LeaseRow.name).where(LeaseRow.name == CLOCK, LeaseRow.until > now()))
    return None if beat else "no clock holds the lease: what is queued waits"


def names_resolve(url: str, host: str, port: int) -> str | None:
    """Check that the name server knows a name that the database says it should."""
    if not _exists(url) or not is_current(url):
        return "the database is not ready"
    with Database(url).read() as session:
        hosts = session.scalar(select(RouteRow.hosts).limit(1))
    return dns_answers(host, port, hosts[0], resolves=True) if hosts else None


def _exists(url: str) -> bool:
    parsed = make_url(url)
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file()
