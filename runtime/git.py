"""git, run as a program with a time limit, in a process group of its own that never outlives its parent."""

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.errors import Cancelled, Unavailable
from runtime.git_shield import Reach, bounded, environment, mortal, options

LADDER = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
PATIENCE = 1.0
NOTHING = Reach()
ERROR_BYTES = 16 * 1024
OUTPUT_BYTES = 4 * 1024**2
HIDDEN = "***"
# How often a command at work asks whether it is still wanted.
TICK = 0.2
Stop = Callable[[], bool]


def never() -> bool:
    """Go on whatever happens."""
    return False


class Flood(Unavailable):
    """A git command said more than anybody can read."""

    code = "git_flood"


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """How a git command ended."""

    code: int
    out: bytes
    error: str


class Process:
    """A git command at work: its own process group, killed when its time is over or when nobody wants it any more.

    `stop` is asked all the while: once it says so the command ends, and whoever waits for it is told by Cancelled.
    """

    def __init__(
        self, arguments: Sequence[str], git_dir: Path, seconds: float, reach: Reach = NOTHING, stop: Stop = never
    ) -> None:
        self._name = arguments[0]
        self._stop = stop
        self._seconds = seconds
        self._secrets = reach.credentials.secrets if reach.credentials else ()
        self._expired = self._called_off = False
        self._over = threading.Event()
        self._popen = _start([*mortal(seconds), *bounded(reach), "git", *options(git_dir, reach), *arguments], reach)
        self._errors: deque[bytes] = deque(maxlen=ERROR_BYTES // 1024)
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        threading.Thread(target=self._guard, daemon=True).start()

    @property
    def input(self) -> IO[bytes]:
        """Where the command reads from."""
        return _pipe(self._popen.stdin)

    @property
    def output(self) -> IO[bytes]:
        """What the command writes."""
        return _pipe(self._popen.stdout)

    def wait(self) -> int:
        """Return the exit code once the command has ended. Raises Unavailable if its time was over, or Cancelled."""
        code = self._popen.wait()
        self._over.set()
        self._reader.join(PATIENCE)
        if self._called_off:
            raise Cancelled(f"git {self._name} was stopped because the run was cancelled")
        if self._expired:
            raise Unavailable(f"git {self._name} took longer than {self._seconds:g} s", code="git_timeout")
        return code

    def error(self) -> str:
        """Return the last line the command complained with, safe to show."""
        text = b"".join(self._errors).decode("utf-8", "replace")
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)  # some hosts repeat what they were shown
        lines = text.splitlines()
        last = next((line for line in reversed(lines) if line.strip()), "")
        return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in last.strip())[:300]

    def stop(self) -> None:
        """End the command and whatever it has started: interrupt, then terminate, then kill."""
        self._over.set()
        self._end()
        for pipe in (self.input, self.output):
            _close(pipe)
        self._reader.join(PATIENCE)
        if not self._reader.is_alive():
            _close(_pipe(self._popen.stderr))

    def _end(self) -> None:
        for rung in LADDER:
            if self._popen.poll() is not None:
                return
            try:
                os.killpg(self._popen.pid, rung)
                self._popen.wait(PATIENCE)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def _guard(self) -> None:
        """End the command when its time is over, or when it is called off."""
        deadline = time.monotonic() + self._seconds
        while not self._over.wait(min(TICK, max(0.0, deadline - time.monotonic()))):
            if self._popen.poll() is not None:
                return
            self._called_off = self._stop()
            self._expired = not self._called_off and time.monotonic() >= deadline
            if self._called_off or self._expired:
                self._end()
                return

    def _read_errors(self) -> None:
        stream = _pipe(self._popen.stderr)
        while chunk := os.read(stream.fileno(), 1024):
            self._errors.append(chunk)


@contextmanager
def opened(arguments: Sequence[str], *, git_dir: Path, seconds: float, stop: Stop = never) -> Iterator[Process]:
    """Start a git command and end it when the block is left."""
    process = Process(arguments, git_dir, seconds, stop=stop)
    try:
        yield process
    finally:
        process.stop()


def run(
    arguments: Sequence[str],
    *,
    git_dir: Path,
    seconds: float,
    reach: Reach = NOTHING,
    most: int = OUTPUT_BYTES,
    stop: Stop = never,
) -> Done:
    """Run a git command to its end and return what it said. Raises Flood if that is `most` bytes or more."""
    process = Process(arguments, git_dir, seconds, reach, stop)
    try:
        _close(process.input)
        out = process.output.read(most)
        if len(out) == most:
            raise Flood(f"git {arguments[0]} said more than the {most:,} bytes that anybody can read")
        return Done(code=process.wait(), out=out, error=process.error())
    finally:
        process.stop()


def _start(command: Sequence[str], reach: Reach) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(reach),
            cwd="/",
            start_new_session=True,
        )
    except OSError as fault:
        raise Unavailable(f"git cannot be started: {fault.strerror}", code="git_missing") from fault


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("every stream of a git command is a pipe")
    return stream


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return
