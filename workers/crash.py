"""Crash points: a database that kills this process just before or just after its n-th commit, to see what is left then.

`SLIPWAY_CRASH_AT=before:3` (or `after:3`) arms the workers' children; nothing but a test has a use for it.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from sqlalchemy.orm import Session

from pipeline.errors import Rejected
from store.session import Database

BEFORE, AFTER = "before", "after"


def killed() -> NoReturn:
    """End this process as kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody outlives that")


class Crashing(Database):
    """A database at whose `number`-th commit, of each process anew, `die` is called: `when` is before or after."""

    def __init__(
        self,
        url: str,
        on_commit: Callable[[], None] = lambda: None,
        *,
        when: str,
        number: int,
        die: Callable[[], None] = killed,
    ) -> None:
        super().__init__(url, on_commit)
        self._when, self._number, self._die = when, number, die
        self._count = (0, 0)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Run a transaction, and crash if its time has come."""
        with super().begin() as session:
            yield session
            session.flush()
            mine = self._counted()
            if mine and self._when == BEFORE:
                self._die()
        if mine and self._when == AFTER:
            self._die()

    def _counted(self) -> bool:
        pid, count = self._count
        self._count = (os.getpid(), count + 1 if pid == os.getpid() else 1)
        return self._count[1] == self._number


def database(url: str, on_commit: Callable[[], None], crash_at: str) -> Database:
    """Return the database, one that crashes if it is told where."""
    if not crash_at:
        return Database(url, on_commit)
    when, _, number = crash_at.partition(":")
    if when not in {BEFORE, AFTER} or not number.isdigit():
        raise Rejected(f"SLIPWAY_CRASH_AT is before:N or after:N, not {crash_at}", code="bad_setting")
    return Crashing(url, on_commit, when=when, number=int(number))
