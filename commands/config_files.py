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
        if not self.has(path):
            return None
        with self._file(path).open("rb") as content:
            return content.read(MOST_BYTES)

    def has(self, path: str, /) -> bool:
        """Tell whether there is a regular file."""
        file = self._file(path)
        return _inside(path) and file.is_file() and not file.is_symlink()

    def has_folder(self, path: str, /) -> bool:
        """Tell whether there is a directory."""
        folder = self._file(path)
        return _inside(path) and folder.is_dir() and not folder.is_symlink()

    def _file(self, path: str) -> Path:
        return self._instead.get(path, self._directory / path)


def _inside(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/")
