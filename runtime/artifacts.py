"""Artifacts as files: `{directory}/r{run}/{stage}/{sha256}`, so that no name from outside is ever a path here."""

import errno
import hashlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import NotFound, Unavailable
from pipeline.names import run_name
from pipeline.ports import PutAway
from pipeline.project import NAME

CHUNK = 256 * 1024


class FileArtifacts:
    """pipeline.ports.Artifacts on a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, run: int, stage: str, content: BinaryIO) -> PutAway:
        """Put a file away and return its digest and size. Raises Unavailable if the disk is full."""
        folder = self._folder(run, stage)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return self._write(folder, content)
        except OSError as fault:
            if fault.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            fix = "Make room: ./slipway prune"
            raise Unavailable(
                f"no room is left for artifacts in {self._directory}", code="disk_full", fix=fix
            ) from fault

    def _write(self, folder: Path, content: BinaryIO) -> PutAway:
        digest, size = hashlib.sha256(), 0
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=".")
        try:
            with os.fdopen(descriptor, "wb") as file:
                while chunk := content.read(CHUNK):
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
            Path(name).replace(folder / digest.hexdigest())
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return PutAway(digest=digest.hexdigest(), size=size)

    def _folder(self, run: int, stage: str) -> Path:
        if run < 0 or not NAME.fullmatch(stage):
            raise NotFound(f"{run_name(run)} has no stage of that name", code="unknown_stage")
        return self._directory / run_name(run) / stage
