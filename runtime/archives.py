"""Files into containers and out of them, by the engine's own archives."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from docker.errors import NotFound
from requests import Response

from pipeline.errors import Unavailable
from runtime.wire import Wire


class Archives:
    """What goes into containers and comes out of them."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def put(self, name: str, path: str, data: bytes) -> None:
        """Put a file into a container under an absolute path; everybody in there may read it."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for folder in reversed(PurePosixPath(path).parents[:-1]):
                tar.addfile(_member(folder, tarfile.DIRTYPE, 0o755))
            member = _member(PurePosixPath(path), tarfile.REGTYPE, 0o644)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        with self._wire.doing(f"put {path} into {name}"):
            if not self._wire.api.put_archive(name, "/", archive.getvalue()):
                raise Unavailable(f"the container engine did not take {path}", code="engine_error")

    def open_folder(self, name: str, path: str) -> None:
        """Let everybody in a container write in a folder of it."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.addfile(_member(PurePosixPath(path), tarfile.DIRTYPE, 0o777))
        with self._wire.doing(f"open {path} in {name}"):
            self._wire.api.put_archive(name, "/", archive.getvalue())

    @contextmanager
    def files(self, name: str, path: str) -> Iterator[BinaryIO | None]:
        """Open a tar stream of a file or folder of a container; None if there is nothing of that path."""
        response = self._asked(name, path)
        if response is None:
            yield None
            return
        with response, self._wire.doing(f"copy {path} out of {name}"):
            yield cast(BinaryIO, response.raw)

    def _asked(self, name: str, path: str) -> Response | None:
        with self._wire.doing(f"copy {path} out of {name}"):
            try:
                return self._wire.stream("/containers/{0}/archive", name, path=path)
            except NotFound:
                return None


def _member(path: PurePosixPath, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(str(path).lstrip("/"))
    member.type, member.mode = kind, mode
    return member
