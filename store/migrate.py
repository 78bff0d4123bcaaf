"""Bring a database to the newest shape."""

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from store.session import make_engine

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(url: str) -> None:
    """Run the migrations that are missing, all in one transaction."""
    engine = make_engine(url)
    try:
        if _shape(engine) != newest():
            _migrate(engine)
    finally:
        engine.dispose()


def is_current(url: str) -> bool:
    """Tell whether a database has the newest shape."""
    engine = make_engine(url)
    try:
        return _shape(engine) == newest()
    finally:
        engine.dispose()


def newest() -> str:
    """Return the number of the newest migration: the files are named by it, in order."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _shape(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        shape: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return shape


def _migrate(engine: Engine) -> None:
    # Alembic takes a third of a second to import, and is needed once in a database's life.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
