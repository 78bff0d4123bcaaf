"""Transcripts as files: `{directory}/r{run}/{stage}.log`, with `{stage}.log.end` beside it once no more will come."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.errors import NotFound
from pipeline.names import run_name
from pipeline.project import NAME
from runtime.transcript_file import FileTranscript
from runtime.transcript_text import without_colours

READ_BYTES = 256 * 1024
TAIL_BYTES = 256 * 1024
PATIENCE = 1.0
LATER_TAIL_BYTES = 64 * 1024


class FileTranscripts:
    """pipeline.ports.Transcripts on a directory. A stage keeps `limit` bytes, of them `tail` of its end."""

    def __init__(self, directory: Path, *, limit: int, tail: int = 1024**2) -> None:
        self._directory = directory
        self._limit = limit
        self._tail = tail
        self._open: dict[Path, FileTranscript] = {}
        self._guard = threading.Lock()

    def open(self, run: int, stage: str, attempt: int) -> FileTranscript:
        """Open a stage's transcript for another attempt, after what the attempts before it wrote."""
        path = self._path(run, stage)
        with suppress(OSError):
            _end(path).unlink(missing_ok=True)
        head, tail = self._room(self.size(run, stage), attempt)
        transcript = FileTranscript(path, limit=head, tail=tail, done=self._forget)
        with self._guard:
            self._open[path] = transcript
        if attempt > 1:
            transcript.write(f"— attempt {attempt} —")
        return transcript

    def tail(self, run: int, stage: str, lines: int) -> tuple[str, ...]:
        """Return the last lines of a stage's transcript, without colours."""
        path = self._path(run, stage)
        with self._guard:
            writing = self._open.get(path)
        kept: tuple[str, ...] = ()
        if writing is not None:
            writing.settle(PATIENCE)
            kept = writing.kept(lines)
        size = self.size(run, stage)
        at = max(0, size - TAIL_BYTES)
        written = self._read(path, at, TAIL_BYTES).decode("utf-8", "replace").splitlines()[1 if at else 0 :]
        found = (*written, *kept)[-lines:] if lines > 0 else ()
        return tuple(without_colours(line) for line in found)

    def size(self, run: int, stage: str) -> int:
        """Return how many bytes there are to read by now."""
        try:
            return self._path(run, stage).stat().st_size
        except FileNotFoundError:
            return 0

    def read(self, run: int, stage: str, offset: int, most: int = READ_BYTES) -> bytes:
        """Return whole lines from `offset` on, at most `most` bytes; empty if there are none yet."""
        chunk = self._read(self._path(run, stage), offset, most)
        return chunk[: chunk.rfind(b"\n") + 1]

    def ended(self, run: int, stage: str) -> bool:
        """Tell whether nothing more will come. Asked before a read, it makes that read the last one needed."""
        return _end(self._path(run, stage)).exists()

    def chunks(self, run: int, stage: str, offset: int = 0) -> Iterator[bytes]:
        """Yield everything that is there from `offset` on, in whole lines."""
        while chunk := self.read(run, stage, offset):
            offset += len(chunk)
            yield chunk

    def _room(self, size: int, attempt: int) -> tuple[int, int]:
        """Return how many bytes of its beginning and of its end an attempt may keep, after what is there already."""
        tail = min(self._tail, self._limit // 2)
        if attempt > 1:
            # However much those before it have kept: how an attempt ended can always be read.
            return max(0, self._limit - tail - size), min(tail, LATER_TAIL_BYTES)
        return max(0, self._limit - tail), tail

    def _read(self, path: Path, offset: int, most: int) -> bytes:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            file.seek(max(0, offset))
            return file.read(most) or b""

    def _path(self, run: int, stage: str) -> Path:
        if run < 0 or not NAME.fullmatch(stage):
            raise NotFound(f"{run_name(run)} has no stage of that name", code="unknown_stage")
        return self._directory / run_name(run) / f"{stage}.log"

    def _forget(self, transcript: FileTranscript) -> None:
        with self._guard:
            if self._open.get(transcript.path) is transcript:
                del self._open[transcript.path]
        if transcript.whole:
            with suppress(OSError):
                _end(transcript.path).touch(mode=0o600)


def _end(path: Path) -> Path:
    return path.with_name(f"{path.name}.end")
