"""The files of a directory as those of a commit are read: regular ones inside it, nothing a link leads to."""

from pathlib import Path

MOST_BYTES = 1024**2


class DirectoryFiles:
    """What `pipeline.spec.load` reads from; `instead` stands for a file that is not in its place."""

    def __init__(self, directory: Path, instead: dict[str, Path] | None = None) -> None:
        self._directory = directory
        self._instead = instead or {}

    def get(self, path: str, /) -> bytes | None:
        """Return a regular file of the directory, or None."""
        if path.startswith("/") or ".." in path.split("/"):
            return None
        file = self._instead.get(path, self._directory / path)
        if not file.is_file() or file.is_symlink():
            return None
        with file.open("rb") as content:
            return content.read(MOST_BYTES)
