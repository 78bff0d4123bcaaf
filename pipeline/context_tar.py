"""A build context made of what a build container left, with the Dockerfile of the commit; streamed, never on disk."""

import io
import posixpath
import tarfile
from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO, Literal, cast

from pipeline.errors import StageFailed

CHUNK = 256 * 1024
BLOCK = tarfile.BLOCKSIZE
FORMAT: Literal[2] = 2  # tarfile.PAX_FORMAT, as a type checker knows it


def context_tar(stream: BinaryIO, *, dockerfile: str, text: bytes, created: datetime) -> BinaryIO:
    """Return a tar stream of all that is in another, but with this Dockerfile, and with the commit's time.

    Times are the only thing in which the output of two builds of one commit must differ; without them the layers of
    both are the same.
    """
    pieces = _pieces(stream, dockerfile=posixpath.normpath(dockerfile), text=text, when=int(created.timestamp()))
    return cast(BinaryIO, io.BufferedReader(_Pieces(pieces), CHUNK))


def _pieces(stream: BinaryIO, *, dockerfile: str, text: bytes, when: int) -> Iterator[bytes]:
    ours = tarfile.TarInfo(dockerfile)
    ours.size, ours.mtime, ours.mode = len(text), when, 0o644
    yield from _member(ours, io.BytesIO(text))
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                name = posixpath.normpath(member.name)
                if name not in {".", dockerfile}:
                    yield from _member(_plain(member, name, when), tar.extractfile(member) if member.isreg() else None)
    except tarfile.TarError as fault:
        raise StageFailed(f"the builder's output cannot be read: {fault}", code="no_output") from fault
    yield b"\0" * (2 * BLOCK)


def _plain(member: tarfile.TarInfo, name: str, when: int) -> tarfile.TarInfo:
    """Return a member as a commit's tree would have it: nobody's in particular, of the commit's time."""
    member.name, member.mtime, member.uid, member.gid, member.uname, member.gname = name, when, 0, 0, "", ""
    if member.islnk():
        member.linkname = posixpath.normpath(member.linkname)
    member.pax_headers = {}
    return member


def _member(member: tarfile.TarInfo, data: Any) -> Iterator[bytes]:
    yield member.tobuf(FORMAT)
    if data is None:
        return
    while chunk := data.read(CHUNK):
        yield chunk
    yield b"\0" * (-member.size % BLOCK)


class _Pieces(io.RawIOBase):
    """Pieces as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        taken = min(len(buffer), len(self._rest))
        buffer[:taken], self._rest = self._rest[:taken], self._rest[taken:]
        return taken
