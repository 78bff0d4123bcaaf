"""Races: two processes that make the same row, or wait for each other's, settled by trying once more."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pipeline.errors import Unavailable
from store.session import Collided, Database

Found = TypeVar("Found")


def settled(database: Database, work: Callable[[Session], Found]) -> Found:
    """Run one transaction and return what it returns; if another process was in its way, run it once more.

    The second time the other's row is there to be found. Raises Unavailable if there is a third process.
    """
    try:
        return _once(database, work)
    except (IntegrityError, Collided):
        pass
    try:
        return _once(database, work)
    except IntegrityError as fault:
        raise Unavailable("several processes are at the same thing; try again", code="busy") from fault


def _once(database: Database, work: Callable[[Session], Found]) -> Found:
    with database.begin() as session:
        return work(session)
