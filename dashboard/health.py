"""/healthz: the process is up. /readyz: every part with a word; 503 if one is down."""

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import SlipwayError
from store.session import Database
from store.views_lists import lease_held

SECONDS = 1.0
CLOCK = "clock"
REDIS = "redis"
REDIS_PORT = 6379
LOW = "low"
Lack = Callable[[], str | None]
Part = TypeVar("Part")


def enough() -> str | None:
    """Say that there is room."""
    return None


def make_health(database: Database, parts: Mapping[str, str], lack: Lack = enough) -> Blueprint:
    """Return the blueprint; `parts` maps each part to the address it must answer at (unix://, redis://, tcp://).

    `lack` says why there is too little room to build; pushes are taken in all the same, so that is not 503.
    """
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    def healthz() -> ResponseReturnValue:
        """Say that the process is up."""
        return jsonify({"status": "up"})

    @health.get("/readyz")
    def readyz() -> ResponseReturnValue:
        """Look at every part, lightly."""
        words = look(database, parts) | {"disk": LOW if lack() else "up"}
        ready = set(words.values()) <= {"up", LOW}
        return jsonify({"status": "ready" if ready else "not ready", "parts": words}), 200 if ready else 503

    return health


def look(database: Database, parts: Mapping[str, str]) -> dict[str, str]:
    """Return a word for every part: up or down."""
    words = {"database": _word(_database, database), "clock": _word(_clock, database)}
    return words | {name: _word(_speaks if name == REDIS else _listens, address) for name, address in parts.items()}


def _word(look: Callable[[Part], bool], part: Part) -> str:
    with suppress(OSError, ValueError, SlipwayError, SQLAlchemyError):
        return "up" if look(part) else "down"
    return "down"


def _database(database: Database) -> bool:
    with database.read() as session:
        return session.connection().exec_driver_sql("select 1").scalar() == 1


def _clock(database: Database) -> bool:
    with database.read() as session:
        return lease_held(session, CLOCK)


def _listens(address: str) -> bool:
    with _connected(address):
        return True


def _speaks(address: str) -> bool:
    """Tell whether Redis answers; one that wants a password first is up all the same."""
    with _connected(address) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))


def _connected(address: str) -> socket.socket:
    parts = urlsplit(address)
    if parts.scheme != "unix":
        return socket.create_connection((parts.hostname or "127.0.0.1", parts.port or REDIS_PORT), timeout=SECONDS)
    path = Path(parts.path)
    # By way of the open directory, since a socket's own path may have 107 bytes only.
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(SECONDS)
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(folder)
    return connection
