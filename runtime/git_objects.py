"""Looking into a mirror: several questions to one `git cat-file`, by object name only, never by a path or a ref."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from pipeline.errors import StageFailed, Unavailable
from pipeline.ports import Commit
from runtime.git import Process, opened

SECONDS = 60.0
TREE_BYTES = 16 * 1024**2
FILE_BYTES = 1024**2
DIRECTORY = 0o40000
SYMLINK = 0o120000
REGULAR = frozenset({0o100644, 0o100755, 0o100664})
PERSON = re.compile(rb"(?P<name>.*?) ?<(?P<email>[^<>]*)> (?P<time>-?\d{1,18}) (?P<zone>[-+]\d{4})")
FAR = 253402300799  # the last second a datetime can hold


class Damaged(Unavailable):
    """The mirror does not answer as a sound one would."""

    code = "mirror_damaged"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a tree."""

    mode: int
    oid: str


class Objects:
    """A conversation with `git cat-file --batch`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.complained = False

    def get(self, name: str, kind: str, most: int) -> tuple[str, bytes] | None:
        """Return an object's own name and content; None if there is none of that name. Raises StageFailed if large."""
        try:
            self._process.input.write(name.encode("ascii") + b"\n")
            self._process.input.flush()
        except BrokenPipeError as fault:
            raise self._damaged() from fault
        header = self._process.output.readline()
        if header.endswith(b" missing\n"):
            # A file that cannot be read is also called missing; only the complaint beside it tells the two apart.
            self._process.stop()
            self.complained = bool(self._process.error())
            return None
        match header.split():
            case [oid, found, size] if found.decode() == kind:
                return oid.decode(), self._content(int(size), most)
            case [_, _, _]:
                raise StageFailed(f"{name[:7]} is a {header.split()[1].decode()}, not a {kind}", code="wrong_object")
            case _:
                raise self._damaged()

    def commit(self, revision: str) -> Commit:
        """Return the commit that a revision, be it a commit or a tag of one, means."""
        found = self.get(f"{revision}^{{commit}}", "commit", TREE_BYTES)
        if found is None:
            raise StageFailed(f"there is no commit {revision[:7]} in this repository", code="no_commit")
        return _commit(*found)

    def root(self, revision: str) -> Entry:
        """Return the tree of a revision."""
        found = self.get(f"{revision}^{{tree}}", "tree", TREE_BYTES)
        if found is None:
            raise StageFailed(f"there is no commit {revision[:7]} in this repository", code="no_commit")
        return Entry(DIRECTORY, found[0])

    def entry(self, root: Entry, path: str) -> Entry | None:
        """Return what a path is, without following any link. Raises StageFailed if a link is in the way."""
        here = root
        steps = [step for step in path.split("/") if step not in {"", "."}]
        for index, step in enumerate(steps):
            if here.mode == SYMLINK:
                raise StageFailed(f"{'/'.join(steps[:index])} is a symbolic link; none is followed", code="symlink")
            there = self._names(here).get(step.encode()) if here.mode == DIRECTORY else None
            if there is None:
                return None
            here = there
        return here

    def file(self, root: Entry, path: str) -> bytes | None:
        """Return a regular file, or None. Raises StageFailed if it is a link or larger than a megabyte."""
        entry = self.entry(root, path)
        if entry is None or entry.mode not in REGULAR | {SYMLINK}:
            return None
        if entry.mode == SYMLINK:
            raise StageFailed(f"{path} is a symbolic link; none is followed", code="symlink")
        found = self.get(entry.oid, "blob", FILE_BYTES)
        if found is None:
            raise self._damaged()
        return found[1]

    def _names(self, tree: Entry) -> dict[bytes, Entry]:
        found = self.get(tree.oid, "tree", TREE_BYTES)
        if found is None:
            raise self._damaged()
        return _entries(found[1], len(tree.oid) // 2)

    def _content(self, size: int, most: int) -> bytes:
        if size > most:
            raise StageFailed(f"an object of {size:,} bytes is larger than the {most:,} allowed", code="too_large")
        content = self._process.output.read(size + 1)
        if len(content) != size + 1:
            raise self._damaged()
        return content[:-1]

    def _damaged(self) -> Damaged:
        self._process.stop()
        return Damaged(f"the mirror cannot be read: {self._process.error() or 'git ended'}")


@contextmanager
def objects(git_dir: Path) -> Iterator[Objects]:
    """Open a conversation with a mirror."""
    with opened(["cat-file", "--batch"], git_dir=git_dir, seconds=SECONDS) as process:
        yield Objects(process)


def _entries(tree: bytes, length: int) -> dict[bytes, Entry]:
    """Take a tree object apart: mode, space, name, NUL, object name, again and again."""
    found: dict[bytes, Entry] = {}
    at = 0
    while at < len(tree):
        space = tree.index(b" ", at)
        end = tree.index(b"\0", space)
        oid = tree[end + 1 : end + 1 + length].hex()
        found[tree[space + 1 : end]] = Entry(int(tree[at:space], 8), oid)
        at = end + 1 + length
    return found


def _commit(oid: str, content: bytes) -> Commit:
    head, _, body = content.partition(b"\n\n")
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        fields.setdefault(key, value)
    coding = fields.get(b"encoding", b"utf-8").decode("ascii", "replace")
    author, committer = PERSON.fullmatch(fields.get(b"author", b"")), PERSON.fullmatch(fields.get(b"committer", b""))
    return Commit(
        revision=oid,
        author=_text(author["name"], coding).strip() if author else "",
        email=_text(author["email"], coding).strip() if author else "",
        message=_text(body, coding).strip() or "(no message)",
        committed_at=_time(committer["time"], committer["zone"]) if committer else datetime.fromtimestamp(0, UTC),
    )


def _text(raw: bytes, coding: str) -> str:
    try:
        text = raw.decode(coding, "replace")
    except (LookupError, UnicodeError):
        text = raw.decode("utf-8", "replace")
    text = text.replace("\r\n", "\n").encode("utf-8", "replace").decode()
    return "".join(char if char in "\n\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _time(seconds: bytes, zone: bytes) -> datetime:
    minutes = int(zone[1:3]) * 60 + int(zone[3:5])
    offset = timedelta(minutes=min(minutes, 23 * 60) * (-1 if zone.startswith(b"-") else 1))
    return datetime.fromtimestamp(min(max(int(seconds), 86400), FAR - 86400), timezone(offset))
