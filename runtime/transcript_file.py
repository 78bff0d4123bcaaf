"""One transcript being written: at once, bounded, and never in the way of what it is about."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.masking import MaskedLines
from runtime.transcript_text import one_line

# What may wait for a slow disk; beyond it lines are dropped, and how many is said.
WAITING_BYTES = 4 * 1024**2
PATIENCE = 5.0
MEGABYTE = 1e6
NEWLINE = 0x0A


class FileTranscript:
    """pipeline.ports.Transcript: the first `limit` bytes are in the file at once, the last `tail` bytes at the end.

    A thread writes what has been handed over, so that a full or slow disk costs lines and never the stage.
    """

    def __init__(
        self, path: Path, *, limit: int, tail: int, done: Callable[["FileTranscript"], None] = lambda _self: None
    ) -> None:
        self.path = path
        self.whole = True
        self._limit = limit
        self._tail = tail
        self._done = done
        self._masked = MaskedLines()
        self._order = threading.RLock()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._lost = 0
        self._head_bytes = 0
        self._ring: deque[bytes] = deque()
        self._ring_bytes = 0
        self._cut_bytes = 0
        self._closed = False
        self._idle = False
        self._changed = threading.Condition()
        self._disk = _Disk(path)
        self._thread = threading.Thread(target=self._work, name=f"transcript {path.name}", daemon=True)
        self._thread.start()

    def hide(self, secrets: Iterable[str]) -> None:
        """Let none of these be seen in what is written from now on."""
        with self._order:
            self._masked.mask.hide(secrets)

    def masked(self, text: str, most: int | None = None) -> str:
        """Return a text as it may be shown, at most so many characters of it: without what is hidden."""
        with self._order:
            return self._masked.mask(text) if most is None else self._masked.mask.cut(text, most)

    def masked_lines(self, lines: Iterable[str]) -> tuple[str, ...]:
        """Return lines as they may be shown, pieces of one line not each by itself."""
        with self._order:
            masked = MaskedLines(self._masked.mask)
            return (*(shown for line in lines for shown in masked.feed(line)), *masked.flush())

    def write(self, line: str) -> None:
        """Append one line. Never waits for the disk, never fails."""
        with self._order:
            for masked in self._masked.feed(line):
                self._take(masked)

    def close(self) -> None:
        """Write what was kept of the end and say that no more will come."""
        with self._order:
            for masked in self._masked.flush():
                self._take(masked)
        with self._changed:
            if self._closed:
                return
            if self._cut_bytes:
                self._hand_over(f"… {self._cut_bytes / MEGABYTE:.1f} MB cut …\n".encode())
            for data in self._ring:
                self._hand_over(data, always=True)
            self._closed = True
            self._changed.notify_all()
        self._thread.join(PATIENCE)
        self.whole = not self._thread.is_alive()
        self._done(self)

    def settle(self, timeout: float) -> None:
        """Wait until everything handed over is on disk, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle and not self._waiting, timeout)

    def kept(self, lines: int) -> tuple[str, ...]:
        """Return the last lines that wait for the end because the file has its fill."""
        with self._changed:
            return tuple(data.decode().rstrip("\n") for data in list(self._ring)[-lines:])

    def _take(self, line: str) -> None:
        data = one_line(line).encode() + b"\n"
        with self._changed:
            if self._closed:
                return
            if self._head_bytes + len(data) > self._limit or self._ring:
                self._keep(data)
            else:
                self._head_bytes += len(data)
                self._hand_over(data)

    def _keep(self, data: bytes) -> None:
        if not self._ring and not self._cut_bytes:
            self._hand_over(
                f"… {self._limit / MEGABYTE:.1f} MB are full: the end follows when this is over …\n".encode()
            )
        self._ring.append(data)
        self._ring_bytes += len(data)
        while self._ring_bytes > self._tail and len(self._ring) > 1:
            gone = len(self._ring.popleft())
            self._ring_bytes -= gone
            self._cut_bytes += gone

    def _hand_over(self, data: bytes, *, always: bool = False) -> None:
        if self._waiting_bytes + len(data) > WAITING_BYTES and not always:
            self._lost += 1
            return
        if self._lost:
            data = _lost(self._lost) + data
            self._lost = 0
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        self._changed.notify_all()

    def _work(self) -> None:
        self._disk.append([])
        while batch := self._next():
            self._disk.append(batch)
        self._disk.close()

    def _next(self) -> list[bytes]:
        """Wait for lines and take all of them; none means that no more will come."""
        with self._changed:
            self._idle = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._closed)
            batch = list(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            self._idle = False
            return batch


class _Disk:
    """The file itself. What cannot be written is counted, and the count is written once there is room again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._lost = 0
        self._torn = False

    def append(self, batch: list[bytes]) -> None:
        """Write lines, or count them as lost."""
        try:
            descriptor = self._opened()
        except OSError:
            self._lost += len(batch)
            return
        mark = (b"\n" if self._torn else b"") + (_lost(self._lost) if self._lost else b"")
        if mark and self._write(descriptor, mark):
            self._lost += len(batch)
            return
        self._lost = self._write(descriptor, b"".join(batch)).count(b"\n")

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, descriptor: int, data: bytes) -> bytes:
        """Return what could not be written."""
        while data:
            try:
                count = os.write(descriptor, data)
            except OSError:
                return data
            self._torn = data[count - 1] != NEWLINE
            data = data[count:]
        return b""

    def _opened(self) -> int:
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
            size = os.fstat(self._descriptor).st_size
            # A writer that was killed may have left half a line behind.
            self._torn = size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"
        return self._descriptor


def _lost(lines: int) -> bytes:
    return f"… {lines:,} lines lost: the disk is full or slow …\n".encode()
