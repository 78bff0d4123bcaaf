"""Keeping time over something that runs: how long in all, how long without a word, whether somebody called it off."""

import time
from collections import deque
from collections.abc import Callable

from pipeline.containers import Limits
from pipeline.errors import Cancelled, StageFailed

# How often the clock is looked at while nothing is heard; a request to stop is seen as fast.
TICK = 0.25
TAIL = 20


class Watch:
    """Passes lines on, remembers the last of them, and says when enough is enough. `subject` begins the sentence."""

    def __init__(self, subject: str, limits: Limits, line: Callable[[str], None]) -> None:
        self._subject = subject
        self._limits = limits
        self._line = line
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._began = self._heard = time.monotonic()

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines."""
        return tuple(self._tail)

    def say(self, line: str) -> None:
        """Pass a line on."""
        self._tail.append(line)
        self._line(line)

    def heard(self) -> None:
        """Note a sign of life."""
        self._heard = time.monotonic()

    def check(self, stop: Callable[[], bool] | None = None) -> None:
        """Raise Cancelled if it was called off, StageFailed if it took too long or said nothing for too long."""
        now = time.monotonic()
        if stop is not None and stop():
            raise Cancelled(f"{self._subject} was stopped because the run was cancelled")
        if now - self._began > self._limits.seconds:
            raise self._over(f"took longer than {self._limits.seconds:g} s", "timeout")
        if now - self._heard > self._limits.silence:
            raise self._over(f"said nothing for {self._limits.silence:g} s", "silent")

    def _over(self, what: str, code: str) -> StageFailed:
        return StageFailed(f"{self._subject} {what} and was stopped", code=code, tail=self.tail)
