"""The database: one engine a process, transactions that do what they say on SQLite and PostgreSQL alike."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, Float, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from pipeline.errors import Unavailable

BUSY_TIMEOUT_MS = 30_000
SHORTEST_PAUSE, LONGEST_PAUSE = 0.0005, 0.02
# SQLSTATEs of serialization failures and deadlocks: the transaction is undone, and may well succeed when repeated.
COLLISIONS = frozenset({"40001", "40P01"})
# An UPDATE is for the database alone: working out its effect on loaded rows costs more than the statement.
PLAIN = {"synchronize_session": False}


class Collided(Unavailable):
    """The database has undone a transaction for the sake of another; it may be repeated at once."""


class Database:
    """Transactions on one database; `on_commit` is called after each that may have left work for others."""

    def __init__(self, url: str, on_commit: Callable[[], None] = lambda: None) -> None:
        self.engine = make_engine(url)
        self._on_commit = on_commit

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Run one transaction that may write; committed on leaving, rolled back on an error."""
        with self._session() as session, session.begin():
            yield session
        self._on_commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Run one transaction that only reads, and never waits for a writer."""
        with self._session(reading=True) as session:
            yield session

    def dispose(self) -> None:
        """Close every connection; whoever forks does so first, for a connection must not be shared."""
        self.engine.dispose()

    @contextmanager
    def _session(self, *, reading: bool = False) -> Iterator[Session]:
        bind = self.engine.execution_options(slipway_reading=reading)
        try:
            with Session(bind, expire_on_commit=False, execution_options=PLAIN) as session:
                yield session
        except OperationalError as fault:
            if getattr(fault.orig, "sqlstate", None) in COLLISIONS:
                raise Collided("two transactions were in each other's way; try again", code="busy") from fault
            raise Unavailable("the database does not answer", code="database_unavailable") from fault


def make_engine(url: str) -> Engine:
    """Return an engine; SQLite in WAL mode with full synchronisation and immediate transactions."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed, pool_pre_ping=True, pool_size=20, max_overflow=40)
    if parsed.database and parsed.database != ":memory:":
        path = Path(parsed.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    engine = create_engine(parsed, pool_size=20, max_overflow=40, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


class now(FunctionElement[float]):
    """The database's own clock, in seconds since 1970; leases never compare two machines' clocks."""

    type = Float()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_sqlite(element: ColumnElement[float], compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _now_postgresql(element: ColumnElement[float], compiler: Any, **options: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


def _configure_sqlite(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: it would do so too late, and updates would be lost.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # Checkpoints a quarter as often: a page that changed many times since the last one is written back once.
    cursor.execute("PRAGMA wal_autocheckpoint=4000")
    cursor.execute("PRAGMA cache_size=-8000")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    if connection.get_execution_options().get("slipway_reading", False):
        connection.exec_driver_sql("BEGIN")
        return
    # SQLite would wait for another writer inside the driver, and with it every greenlet of the web process.
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA busy_timeout=0")
    try:
        if not _begun(cursor):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.close()


def _begun(cursor: Any) -> bool:
    """Begin to write as soon as nobody else does; return whether that was so in time."""
    end, pause = time.monotonic() + BUSY_TIMEOUT_MS / 1000, SHORTEST_PAUSE
    while time.monotonic() < end:
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                return False
        else:
            return True
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
    return False
