"""Files that other programs read: replaced whole or not at all, by one process at a time."""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import Cancelled, Unavailable

FIRST_PAUSE = 0.001
LONGEST_PAUSE = 0.02


def replace(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` at `path` so that a reader, or a crash at any point, finds all of the old or all of the new.

    What is written beside it has a name that starts with a dot, which dnsmasq ignores in a hostsdir.
    """
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).rename(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def remove(path: Path) -> None:
    """Remove a file durably; not being there is fine."""
    with suppress(FileNotFoundError):
        path.unlink()
        _sync_directory(path.parent)


@contextmanager
def locked(path: Path, timeout: float, stop: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold the lock file at `path`, waiting at most `timeout` seconds; the kernel frees it if the holder dies.

    Raises Cancelled if `stop` says so while it waits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, path, time.monotonic() + timeout, stop)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, deadline: float, stop: Callable[[], bool]) -> None:
    pause = FIRST_PAUSE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as fault:
            if time.monotonic() >= deadline:
                raise Unavailable(f"{path.name} is still held by another process", code="locked") from fault
            if stop():
                raise Cancelled(f"the wait for {path.name} was called off") from fault
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
