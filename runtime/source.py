"""Projects' repositories: fetched into mirrors, read and packed without ever being checked out."""

import io
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from pipeline.clone_url import check_url
from pipeline.credentials import Credentials
from pipeline.errors import Rejected, StageFailed, Unavailable
from pipeline.ports import Commit, Tip
from pipeline.project import check_name
from pipeline.push import TAGS, is_sha
from runtime.addresses import Resolve, reach, resolve
from runtime.files import locked
from runtime.git import Process, Stop, never, opened
from runtime.git_host import Host, check_ref
from runtime.git_objects import DIRECTORY, Damaged, Objects, objects
from runtime.mirror import Mirror

__all__ = ["GitSource", "check_url"]

T = TypeVar("T")
GLANCE_SECONDS = 10.0
LARGEST = 2 * 1024**3
DIGITS = re.compile(r"[0-9a-f]{7,64}")


class GitSource:
    """pipeline.ports.Source on one bare mirror per project, `{directory}/{project}.git`.

    `glance` is how many seconds a look at all refs may take, `largest` how many bytes one fetch may bring. Whatever
    takes long ends with Cancelled soon after `stop` says so.
    """

    def __init__(
        self,
        directory: Path,
        *,
        local_paths: bool,
        private_addresses: bool = False,
        seconds: float = 300.0,
        glance: float = GLANCE_SECONDS,
        largest: int = LARGEST,
        resolve: Resolve = resolve,
        stop: Stop = never,
    ) -> None:
        self._directory = directory
        self._stop = stop
        self._local_paths = local_paths
        self._reach = partial(reach, home=directory, private_addresses=private_addresses, resolve=resolve)
        self._largest = largest
        self._seconds = seconds
        self._glance = min(seconds, glance)

    def fetch(self, project: str, url: str, ref: str, revision: str, *, credentials: Credentials | None = None) -> None:
        """Bring `ref` into the mirror. Raises StageFailed if the ref is gone or no longer holds the revision."""
        host, mirror = self._host(project, url, self._seconds, credentials), self._mirror(project)
        wanted = _full(revision)
        check_ref(ref)
        with self._lock(project):
            mirror.update(host, ref)
            mirror.insist(host, ref, wanted)

    def tip(self, project: str, url: str, ref: str, *, credentials: Credentials | None = None) -> str:
        """Bring `ref` into the mirror and return the object it is at this moment. Raises StageFailed if it is gone."""
        host, mirror = self._host(project, url, self._seconds, credentials), self._mirror(project)
        check_ref(ref)
        with self._lock(project):
            return mirror.update(host, ref)

    def find(self, project: str, url: str, ref: str, prefix: str, *, credentials: Credentials | None = None) -> str:
        """Bring `ref` into the mirror and return the one commit on it that begins with these digits, or nothing."""
        host, mirror = self._host(project, url, self._seconds, credentials), self._mirror(project)
        if not DIGITS.fullmatch(prefix):
            raise StageFailed("a commit is named by 7 to 64 of its digits", code="bad_revision")
        check_ref(ref)
        with self._lock(project):
            mirror.update(host, ref)
            return mirror.find(ref, prefix)

    def tips(self, project: str, url: str, *, credentials: Credentials | None = None) -> Mapping[str, Tip]:
        """Ask the host for every branch and tag, by full name; nothing is brought here. Raises Unavailable."""
        return self._host(project, url, self._glance, credentials).tips()

    def push_tag(
        self, project: str, url: str, revision: str, name: str, *, credentials: Credentials | None = None
    ) -> None:
        """Give a commit a tag at its host; one that is there already is fine. Raises Unavailable if it is not taken."""
        check_ref(f"{TAGS}{name}")
        host = self._host(project, url, self._seconds, credentials)
        host.push(f"{_full(revision)}:{TAGS}{name}", git_dir=self._present(project).path)

    def default_branch(self, url: str) -> str | None:
        """Ask the host which branch is its default; None if it does not say. Raises Unavailable."""
        return self._host("", url, self._glance, None).default_branch()

    def holds(self, project: str, ref: str, revision: str) -> bool:
        """Tell whether a revision is on `ref` as it was last brought here."""
        check_ref(ref)
        return self._said(project, self._present(project).holds(ref, _full(revision)))

    def descends(self, project: str, revision: str, ancestor: str) -> bool:
        """Tell whether a mirrored commit comes after another, or is it; False if either is not in the mirror."""
        return self._said(project, self._present(project).descends(_full(revision), _full(ancestor)))

    def changed(self, project: str, before: str, after: str) -> Sequence[str] | None:
        """Return the paths in which two mirrored commits differ; None if that cannot be known."""
        return self._present(project).changed(_commit(before), _commit(after))

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

    def tidy(self) -> None:
        """Take away what fetches that died have left half-made; what is being made is under its lock."""
        for half in (*self._directory.glob("*.new"), *self._directory.glob("*.gone")):
            with suppress(Unavailable), locked(half.with_suffix(".lock"), timeout=0):
                shutil.rmtree(half, ignore_errors=True)

    @contextmanager
    def archive(self, project: str, revision: str, path: str) -> Iterator[BinaryIO]:
        """Open a tar stream of the commit's tree under `path`; `.` is all of it. A read that fails raises."""
        mirror = self._mirror(project)
        commit = _full(revision) if _inside(path) in {"", "."} else self._only(project, revision, path)
        command = ["archive", "--format=tar", "--end-of-options", commit]
        with opened(command, git_dir=mirror.path, seconds=self._seconds, stop=self._stop) as process:
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
        with objects(self._present(project).path) as repository:
            try:
                return question(repository)
            except StageFailed:
                if not (repository.complained and self._examine(project)):
                    raise
            except (Damaged, ValueError):
                self._examine(project)
        raise _unreadable(project)

    def _said(self, project: str, answer: bool | None) -> bool:
        if answer is None:
            self._examine(project)
            raise _unreadable(project)
        return answer

    def _examine(self, project: str) -> bool:
        """Take a damaged mirror away, so that the next fetch makes it anew; tell whether it was."""
        with self._lock(project):
            mirror = self._mirror(project)
            if not (mirror.path.exists() and mirror.damaged()):
                return False
            mirror.drop()
            return True

    def _host(self, project: str, url: str, seconds: float, credentials: Credentials | None) -> Host:
        try:
            allowed = self._reach(check_url(url, local_paths=self._local_paths))
        except Rejected as error:
            raise StageFailed(error.sentence, code=error.code, fix=error.fix) from error
        allowed = replace(allowed, file_bytes=self._largest, credentials=credentials)
        return Host(project=project, url=url, reach=allowed, seconds=seconds, stop=self._stop)

    def _present(self, project: str) -> Mirror:
        mirror = self._mirror(project)
        if not mirror.path.exists():
            raise Unavailable(f"{project} has no mirror yet; it is made by the next fetch", code="no_mirror")
        return mirror

    def _mirror(self, project: str) -> Mirror:
        return Mirror(path=self._directory / f"{check_name(project)}.git", seconds=self._seconds)

    def _lock(self, project: str) -> AbstractContextManager[None]:
        return locked(self._directory / f"{check_name(project)}.lock", timeout=self._seconds, stop=self._stop)


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


def _unreadable(project: str) -> Unavailable:
    return Unavailable(f"the mirror of {project} cannot be read", code="mirror_damaged")


def _commit(revision: str) -> str:
    """Return what means a commit, and nothing but a commit, to git."""
    return f"{_full(revision)}^{{commit}}"


def _full(revision: str) -> str:
    """Return a revision if it is a whole object name; nothing shorter ever reaches git."""
    if not is_sha(revision):
        raise StageFailed("a revision must be written in full", code="bad_revision")
    return revision


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise StageFailed(f"{path!r} does not lie inside the repository", code="bad_path")
    return path
