"""A home to measure: an empty database and one project."""

from datetime import UTC, datetime
from pathlib import Path

from bench.load import SECRET
from pipeline.project import Forge, Project
from store import projects
from store.migrate import upgrade
from store.session import Database


def prepared(home: Path) -> Path:
    """Return a home with an empty database and one project."""
    home.mkdir(parents=True)
    url = f"sqlite:///{home / 'slipway.db'}"
    upgrade(url)
    database = Database(url)
    shop = Project(id=0, name="shop", url="https://github.com/acme/shop", forge=Forge.GITHUB, secret=SECRET)
    with database.begin() as session:
        projects.add(session, shop, at=datetime.now(UTC))
    database.dispose()
    return home
