"""Migrations bring any database to the shape that the tables in `store/schema.py` have."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from config.settings import ROOT
from store.migrate import is_current, newest, upgrade
from store.schema import Table
from store.session import Database


def test_the_migrations_make_the_tables_that_the_code_expects(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, Table.metadata) == []


def test_upgrading_again_changes_nothing(database: Database, database_url: str) -> None:
    assert is_current(database_url)
    upgrade(database_url)
    with database.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


def test_an_empty_database_is_not_current(tmp_path: object) -> None:
    assert not is_current(f"sqlite:///{tmp_path}/empty.db")
    assert newest() == max(path.name[:4] for path in (ROOT / "store" / "migrations" / "versions").glob("0*.py"))
