"""Projects' repositories: fetched into mirrors, read and packed without ever being checked out."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from pipeline.clone_url import check_url
from pipeline.errors import Rejected, StageFailed, Unavailable
from pipeline.ports import Commit
from pipeline.project import check_name
from pipeline.push import is_sha
from runtime.files import locked
from runtime.git import Process, opened
from runtime.git_objects import DIRECTORY, Damaged, Objects, objects
from runtime.mirror import Mirror, Wanted

__all__ = ["GitSource", "check_url"]

T = TypeVar("T")


class GitSource:
    """pipeline.ports.Source on one bare mirror per project, `{directory}/{project}.git`."""

    def __init__(self, directory: Path, *, local_paths: bool, seconds: float = 300.0) -> None:
        self._directory = directory
        self._local_paths = local_paths
        self._seconds = seconds

    def fetch(self, project: str, url: str, ref: str, revision: str) -> None:
        """Bring `ref` into the mirror. Raises StageFailed if the ref is gone or no longer holds the revision."""
        try:
            check_url(url, local_paths=self._local_paths)
        except Rejected as error:
            raise StageFailed(error.sentence, code=error.code, fix=error.fix) from error
        mirror = self._mirror(project)
        with self._lock(project):
            mirror.update(Wanted(url=url, ref=ref, revision=_full(revision)))

    def commit(self, project: str, revision: str) -> Commit:
        """Return what git says of a commit."""
        return self._look(project, lambda repository: repository.commit(_full(revision)))

    def read(self, project: str, revision: str, path: str) -> bytes | None:
        """Return a regular file of the commit, or None. Raises StageFailed for a symbolic link or a huge file."""
        return self.files(project, revision, [path]).get(path)

    def files(self, project: str, revision: str, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Return those of the paths that are regular files, all from one look into the mirror."""
        wanted = [_inside(path) for path in paths]

        def look(repository: Objects) -> dict[str, bytes]:
            root = repository.root(_full(revision))
            found = {path: repository.file(root, path) for path in wanted}
            return {path: content for path, content in found.items() if content is not None}

        return self._look(project, look)

    @contextmanager
    def archive(self, project: str, revision: str, path: str) -> Iterator[BinaryIO]:
        """Open a tar stream of the commit's tree under `path`; `.` is all of it. A read that fails raises."""
        mirror = self._mirror(project)
        commit = _full(revision) if _inside(path) in {"", "."} else self._only(project, revision, path)
        command = ["archive", "--format=tar", "--end-of-options", commit]
        with opened(command, git_dir=mirror.path, seconds=self._seconds) as process:
            process.input.close()
            with io.BufferedReader(_Checked(process, partial(self._examine, project)), 256 * 1024) as stream:
                yield cast(BinaryIO, stream)

    def _only(self, project: str, revision: str, path: str) -> str:
        """Return a commit of nothing but a directory, with the time of the commit it is from.

        An archive of a bare tree would carry the time of day, and so differ from one build to the next.
        """
        commit, tree = self._look(project, lambda one: (one.commit(_full(revision)), _directory(one, revision, path)))
        seconds = int(commit.committed_at.timestamp())
        return self._made(project, tree, f"{seconds} +0000")

    def _made(self, project: str, tree: str, when: str) -> str:
        body = f"tree {tree}\nauthor slipway <> {when}\ncommitter slipway <> {when}\n\ncontext\n"
        with opened(
            ["hash-object", "-t", "commit", "-w", "--stdin"], git_dir=self._mirror(project).path, seconds=self._seconds
        ) as process:
            process.input.write(body.encode())
            process.input.close()
            made = process.output.read().decode().strip()
            if process.wait() or not is_sha(made):
                raise Unavailable(f"the mirror of {project} cannot be written: {process.error()}", code="mirror_full")
            return made

    def _look(self, project: str, question: Callable[[Objects], T]) -> T:
        mirror = self._mirror(project)
        if not mirror.path.exists():
            raise Unavailable(f"{project} has no mirror yet; it is made by the next fetch", code="no_mirror")
        with objects(mirror.path) as repository:
            try:
                return question(repository)
            except StageFailed:
                if not (repository.complained and self._examine(project)):
                    raise
            except (Damaged, ValueError):
                self._examine(project)
        raise Unavailable(f"the mirror of {project} cannot be read", code="mirror_damaged")

    def _examine(self, project: str) -> bool:
        """Take a damaged mirror away, so that the next fetch makes it anew; tell whether it was."""
        with self._lock(project):
            mirror = self._mirror(project)
            if not (mirror.path.exists() and mirror.damaged()):
                return False
            mirror.drop()
            return True

    def _mirror(self, project: str) -> Mirror:
        return Mirror(path=self._directory / f"{check_name(project)}.git", seconds=self._seconds)

    def _lock(self, project: str) -> AbstractContextManager[None]:
        return locked(self._directory / f"{check_name(project)}.lock", timeout=self._seconds)


class _Checked(io.RawIOBase):
    """The output of a command whose end counts only if the command ended well."""

    def __init__(self, process: Process, examine: Callable[[], object]) -> None:
        self._process = process
        self._examine = examine

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes; at the end, raise Unavailable if the command failed."""
        count = cast(io.BufferedReader, self._process.output).readinto1(buffer)
        if count == 0 and self._process.wait():
            self._examine()
            raise Unavailable(f"the commit could not be packed: {self._process.error()}", code="archive_failed")
        return count


def _directory(repository: Objects, revision: str, path: str) -> str:
    entry = repository.entry(repository.root(revision), path)
    if entry is None:
        raise StageFailed(f"there is no directory {path} in this commit", code="no_context")
    if entry.mode != DIRECTORY:
        raise StageFailed(f"{path} is not a directory in this commit", code="no_context")
    return entry.oid


def _full(revision: str) -> str:
    """Return a revision if it is a whole object name; nothing shorter ever reaches git."""
    if not is_sha(revision):
        raise StageFailed("a revision must be written in full", code="bad_revision")
    return revision


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise StageFailed(f"{path!r} does not lie inside the repository", code="bad_path")
    return path
