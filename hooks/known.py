"""The projects as they were when last read, so that a webhook need not read them before its own commit."""

from collections.abc import Mapping, Sequence

from pipeline.project import Project
from store import projects
from store.plain import Row
from store.session import Database


class Projects:
    """Every project by name. Whoever acts on what is remembered checks it in the transaction that acts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Mapping[str, Project] | None = None
        self._rows: Sequence[Row] = ()

    def remembered(self) -> Mapping[str, Project]:
        """Return the projects as they were when last read."""
        return self.read() if self._known is None else self._known

    def read(self) -> Mapping[str, Project]:
        """Return the projects as they are: the very same as before if nothing has changed."""
        with self._database.read() as session:
            rows = projects.signers(session)
            if self._known is None or rows != self._rows:
                self._rows, self._known = rows, {one.name: one for one in projects.everyone(session)}
        return self._known
