"""The files of one commit that say what a project is, read as they are asked for."""

from contextlib import suppress

from pipeline.errors import StageFailed
from pipeline.ports import Source
from pipeline.spec import CANDIDATES


class CommitFiles:
    """What `pipeline.spec.load` reads from: those that are looked for always come in one go."""

    def __init__(self, source: Source, project: str, revision: str) -> None:
        self._source = source
        self._project = project
        self._revision = revision
        self._known: dict[str, bytes | None] = {}
        # One that cannot be read may be one that nobody asks for.
        with suppress(StageFailed):
            self._known = dict.fromkeys(CANDIDATES) | dict(source.files(project, revision, CANDIDATES))

    def get(self, path: str, /) -> bytes | None:
        """Return a regular file of the commit, or None. Raises StageFailed for a symbolic link or a huge file."""
        if path not in self._known:
            self._known[path] = self._source.read(self._project, self._revision, path)
        return self._known[path]
