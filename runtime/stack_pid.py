"""Processes: known by pid and start time, found by a mark in their environment, stopped with a deadline."""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A process that cannot be mistaken for a later one of the same number; `started` is in ticks since boot."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return started_at(self.pid) == self.started

    def __str__(self) -> str:
        return f"{self.pid} {self.started}\n"


def own_mark() -> Mark:
    """Return the mark of this process."""
    return Mark(pid=os.getpid(), started=started_at(os.getpid()) or 0)


def read_mark(path: Path) -> Mark | None:
    """Return the live process a pid file speaks of, or None if it speaks of none."""
    try:
        pid, started = path.read_text().split()
        mark = Mark(pid=int(pid), started=int(started))
    except (OSError, ValueError):
        return None
    return mark if mark.alive else None


def started_at(pid: int) -> int | None:
    """Return when a process started, in ticks since boot; None if it does not run (a zombie does not)."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def marked(variable: str, value: str) -> tuple[int, ...]:
    """Return the processes that were started with this variable in their environment; never this one."""
    wanted = f"{variable}={value}".encode()
    found = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit() and wanted in _environment(entry))
    return tuple(pid for pid in found if pid != os.getpid() and started_at(pid) is not None)


def wait_gone(pids: Iterable[int], *, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> tuple[int, ...]:
    """Wait until processes have ended; return those that have not by then."""
    deadline = time.monotonic() + seconds
    marks = [Mark(pid=pid, started=started) for pid in pids if (started := started_at(pid)) is not None]
    while (left := tuple(mark.pid for mark in marks if mark.alive)) and time.monotonic() < deadline:
        meanwhile()
        time.sleep(0.05)
    return left


def kill_all(pids: Iterable[int]) -> None:
    """Send SIGKILL; one that is gone already is fine."""
    for pid in pids:
        send(pid, signal.SIGKILL)


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; False if there is no such process any more."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent ends; children do not inherit this."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the name, which may itself hold spaces and brackets."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _environment(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
