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


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite file of the newest shape, to be copied."""
    made = tmp_path_factory.mktemp("template") / "slipway.db"
    upgrade(f"sqlite:///{made}")
    return made


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """Return the URL of the server, on which a database `template` of the newest shape is to be copied."""
    upgrade(_create(postgres_server, "template", "template0"))
    return postgres_server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database of each kind, brought to the newest shape."""
    if request.param == "postgresql":
        return _create(request.getfixturevalue("postgres_template"), f"t{time.monotonic_ns()}", "template")
    made = tmp_path / "slipway.db"
    shutil.copyfile(request.getfixturevalue("sqlite_template"), made)
    return f"sqlite:///{made}"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Return an empty database of each kind."""
    database = Database(database_url)
    yield database
    database.engine.dispose()


def _create(server: str, name: str, template: str) -> str:
    """Make a database of a server as a copy of another one and return its URL."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return server.replace("/postgres?", f"/{name}?")
