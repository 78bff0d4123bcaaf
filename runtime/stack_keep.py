"""The supervisor of one part: starts it again when it ends, and lets nothing outlive itself."""

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runtime.stack_pid import die_with_parent

FIRST_DELAY = 0.2
LONGEST_DELAY = 5.0
STEADY = 2.0
GRACE = 35.0
SHOWN = 120
KEEPER = "SLIPWAY_KEEPER_FD"
STOP = {signal.SIGTERM, signal.SIGINT}
PASS_ON = {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
WATCHED = STOP | PASS_ON | {signal.SIGCHLD}


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """How to start a program."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """How a program ended; `became` is what it said it would become, so that it can be that at once the next time."""

    how: str
    asked: bool = False
    became: Start | None = None


def keep(argv: Sequence[str], say: Callable[[str], None]) -> None:
    """Run a program until told to stop by SIGTERM or SIGINT, starting it again whenever it ends."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    shown = " ".join(shlex.join(argv).split())[:SHOWN]
    whole = start = Start(argv=argv)
    quick = 0
    while True:
        began = time.monotonic()
        end = _run_once(start)
        if end.asked:
            return
        ran = time.monotonic() - began
        quick = 0 if ran >= STEADY else quick + 1
        # What ran well is started as it was, which takes no preparation; what did not is prepared anew.
        start = whole if quick else end.became or start
        wait = delay(quick)
        say(f"{shown} {end.how} after {ran:.1f} s; starting it again in {wait:.1f} s")
        if signal.sigtimedwait(STOP, wait) is not None:
            return


def delay(quick: int) -> float:
    """Return how long to wait before the next start, after so many in a row that did not last."""
    return min(FIRST_DELAY * 2.0 ** max(quick - 1, 0), LONGEST_DELAY)


def tell_keeper(argv: Sequence[str], names: Iterable[str]) -> None:
    """Tell the supervisor, if there is one, what this process is about to become, and with which variables."""
    number = os.environ.pop(KEEPER, "")
    if number:
        with os.fdopen(int(number), "w") as pipe:
            json.dump({"argv": list(argv), "env": {name: os.environ[name] for name in names}}, pipe)


def _run_once(start: Start) -> End:
    """Run the program to its end."""
    parent = os.getpid()
    told, tell = os.pipe()
    env = {**os.environ, **start.env, KEEPER: str(tell)}
    try:
        child = subprocess.Popen(
            start.argv,
            env=env,
            pass_fds=(tell,),
            process_group=0,
            preexec_fn=lambda: _tie_to(parent),  # noqa: PLW1509 - there are no threads here
        )
    except OSError as fault:
        os.close(told)
        return End(how=f"could not be started ({fault.strerror})")
    finally:
        os.close(tell)
    asked = _watch(child.pid)
    # The first process has ended but is not reaped yet, so its group's number still means this group and no other.
    _kill_group(child.pid)
    code = child.wait()
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return End(how=how, asked=asked, became=_became(told))


def _became(told: int) -> Start | None:
    """Read what the program said it would become; a program that knows nothing of this said nothing."""
    os.set_blocking(told, False)
    with os.fdopen(told) as pipe:
        try:
            values = json.loads(pipe.read() or "null")
        except (ValueError, TypeError, OSError):
            return None
    return Start(**values) if values else None


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
