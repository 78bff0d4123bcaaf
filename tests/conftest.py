"""Fixtures that several tiers use: the real database servers."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from store.migrate import upgrade
from store.session import Database
from tests.parts import need

MOMENT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.fixture
def moment() -> datetime:
    """Return a time that never passes."""
    return MOMENT


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Run a private PostgreSQL on a unix socket, as the user its package made, and return its URL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        need("initdb")
    programs = found[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="slipway-pg-"))
    shutil.chown(folder, "postgres")
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    data, log = folder / "data", folder / "log"

    def run(program: str, *words: str | Path) -> None:
        argv = [*as_postgres, programs / program, "-D", data, *words]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd="/")

    run("initdb", "-A", "trust", "-U", "slipway")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=200"
    run("pg_ctl", "-l", log, "-o", options, "-w", "start")
    try:
        yield f"postgresql://slipway@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database of each kind, brought to the newest shape."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'slipway.db'}"
    else:
        url = _fresh(request.getfixturevalue("postgres_server"))
    upgrade(url)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Return an empty database of each kind."""
    database = Database(database_url)
    yield database
    database.engine.dispose()


def _fresh(server: str) -> str:
    """Make a database of its own on a server and return its URL."""
    name = f"t{time.monotonic_ns()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")
