"""Plain SQL for the one path on which it pays: SQLAlchemy takes twenty times as long to say the same to SQLite.

Statements are written once for both databases, with `?` for parameters.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

Item = TypeVar("Item")
Row = tuple[Any, ...]
# SQLite takes 32,766 parameters a statement, and nobody needs a longer one.
CHUNK = 400
CURSOR = "plain_cursor"


class Plain:
    """The connection of a session, in its transaction."""

    def __init__(self, session: Session) -> None:
        connection = session.connection()
        known = session.info.get(CURSOR)
        if known is None or known[0] is not connection:
            known = session.info[CURSOR] = (connection, connection.connection.cursor())
        self._cursor = known[1]
        self._dialect = connection.dialect
        self.is_postgres = self._dialect.name == "postgresql"

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return the rows of a statement."""
        self._run(self._cursor.execute, statement, parameters)
        return list(self._cursor.fetchall())

    def do(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Carry out a statement that has no rows."""
        self._run(self._cursor.execute, statement, parameters)

    def each(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Carry out a statement for each set of parameters."""
        if rows:
            self._run(self._cursor.executemany, statement, rows)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], **computed: str) -> None:
        """Insert rows; `computed` are columns that the database works out, as SQL."""
        values = [*("?" for _ in columns), *computed.values()]
        named = ", ".join((*columns, *computed))
        self.each(f"INSERT INTO {table} ({named}) VALUES ({', '.join(values)})", rows)  # noqa: S608 - names of ours

    def lock(self, how: str) -> str:
        """Return what ends a SELECT whose rows nobody else may change; SQLite has one writer anyway."""
        return f" FOR {how}" if self.is_postgres else ""

    @property
    def now(self) -> str:
        """The database's own clock, in seconds since 1970, as `store.session.now` says it."""
        if self.is_postgres:
            return "extract(epoch from clock_timestamp())::double precision"
        return "((julianday('now') - 2440587.5) * 86400.0)"

    def time(self, at: datetime) -> Any:
        """Return a time as the database keeps it."""
        if self.is_postgres:
            return at
        # As SQLAlchemy writes it; strftime takes ten times as long.
        return at.astimezone(UTC).isoformat(" ", "microseconds").removesuffix("+00:00")

    def reserve(self, table: str, count: int) -> list[int]:
        """Return so many free numbers of a table, in the transaction that inserts the rows."""
        if self.is_postgres:
            sequence = f"SELECT nextval(pg_get_serial_sequence('{table}', 'id')) FROM generate_series(1, ?)"  # noqa: S608
            return sorted(row[0] for row in self.rows(sequence, (count,)))
        # Nobody else writes until this transaction ends, and SQLite itself numbers no other way.
        top = self.rows(f"SELECT coalesce(max(id), 0) FROM {table}")[0][0]  # noqa: S608
        return list(range(top + 1, top + 1 + count))

    def _run(self, run: Any, statement: str, parameters: Any) -> None:
        vendor = self._dialect.loaded_dbapi
        try:
            run(_with_percent_signs(statement) if self.is_postgres else statement, parameters)
        except vendor.IntegrityError as fault:
            raise IntegrityError(statement, None, fault) from fault
        except vendor.Error as fault:
            raise OperationalError(statement, None, fault) from fault


def marks(items: Collection[object]) -> str:
    """Return a list of parameters for IN."""
    return f"({', '.join('?' * len(items))})"


def by_project(pairs: Iterable[tuple[int, Item]]) -> Iterator[tuple[int, list[Item]]]:
    """Yield the second parts of pairs by their project, in lists that a statement can carry, in one order."""
    known: dict[int, list[Item]] = {}
    for project_id, item in sorted(set(pairs)):
        known.setdefault(project_id, []).append(item)
    for project_id, items in known.items():
        for some in chunks(items):
            yield project_id, some


def chunks(items: Collection[Item]) -> Iterator[list[Item]]:
    """Yield the items in lists that a statement can carry."""
    ordered = list(items)
    return (ordered[at : at + CHUNK] for at in range(0, len(ordered), CHUNK))


def as_json(value: Any) -> str:
    """Return a value as a JSON column takes it."""
    return json.dumps(value)


def from_json(value: Any) -> Any:
    """Return the value of a JSON column, which PostgreSQL's driver has read already."""
    return json.loads(value) if isinstance(value, str) else value


@cache
def _with_percent_signs(statement: str) -> str:
    return statement.replace("%", "%%").replace("?", "%s")
