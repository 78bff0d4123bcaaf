"""The supervisor of one part: starts it again when it ends, and lets nothing outlive itself."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

from runtime.stack_pid import die_with_parent

FIRST_DELAY = 0.2
LONGEST_DELAY = 5.0
STEADY = 2.0
GRACE = 35.0
SHOWN = 120
STOP = {signal.SIGTERM, signal.SIGINT}
PASS_ON = {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
WATCHED = STOP | PASS_ON | {signal.SIGCHLD}


def keep(argv: Sequence[str], say: Callable[[str], None]) -> None:
    """Run a program until told to stop by SIGTERM or SIGINT, starting it again whenever it ends."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    shown = " ".join(shlex.join(argv).split())[:SHOWN]
    quick = 0
    while True:
        began = time.monotonic()
        ended, stopping = _run_once(argv)
        if stopping:
            return
        ran = time.monotonic() - began
        quick = 0 if ran >= STEADY else quick + 1
        wait = delay(quick)
        say(f"{shown} {ended} after {ran:.1f} s; starting it again in {wait:.1f} s")
        if signal.sigtimedwait(STOP, wait) is not None:
            return


def delay(quick: int) -> float:
    """Return how long to wait before the next start, after so many in a row that did not last."""
    return min(FIRST_DELAY * 2.0 ** max(quick - 1, 0), LONGEST_DELAY)


def _run_once(argv: Sequence[str]) -> tuple[str, bool]:
    """Run the program to its end; return how it ended and whether this was asked for."""
    parent = os.getpid()
    try:
        child = subprocess.Popen(argv, process_group=0, preexec_fn=lambda: _tie_to(parent))  # noqa: PLW1509 - no threads here
    except OSError as fault:
        return f"could not be started ({fault.strerror})", False
    stopping = _watch(child.pid)
    # The first process has ended but is not reaped yet, so its group's number still means this group and no other.
    _kill_group(child.pid)
    code = child.wait()
    return (f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"), stopping


def _tie_to(parent: int) -> None:
    """Prepare the child between fork and exec: it dies with this process and takes signals again."""
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def _watch(pid: int) -> bool:
    """Pass signals on until the process has ended; return whether it was told to stop."""
    deadline: float | None = None
    while not _has_ended(pid):
        left = GRACE if deadline is None else deadline - time.monotonic()
        if left <= 0:
            _kill_group(pid)
            left = 1.0
        told = signal.sigtimedwait(WATCHED, left)
        if told is None or told.si_signo == signal.SIGCHLD:
            continue
        os.kill(pid, told.si_signo)
        if told.si_signo in STOP and deadline is None:
            deadline = time.monotonic() + GRACE
    return deadline is not None


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
