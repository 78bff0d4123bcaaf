"""How long the web process waits for what somebody sends, and for how many at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import gevent
from gevent.monkey import is_module_patched

from pipeline.errors import TooSlow


class Patience:
    """Waits `seconds` for a body, and for the `most` that began last: who sends slowly leaves room for others."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, max(1, most)
        self._waiting: dict[int, gevent.Greenlet] = {}
        self._count = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Raise TooSlow inside the block once it waits for too long; only a greenlet that waits can be told."""
        if not is_module_patched("socket"):
            yield
            return
        self._count += 1
        mine = self._count
        self._waiting[mine] = gevent.getcurrent()
        if len(self._waiting) > self._most:
            # From the loop, where everybody waits; whoever is done by then is let go.
            gevent.get_hub().loop.run_callback(self._give_up, next(iter(self._waiting)))
        try:
            with gevent.Timeout(self._seconds, TooSlow(f"the body took longer than {self._seconds:g} s")):
                yield
        finally:
            self._waiting.pop(mine, None)

    def _give_up(self, number: int) -> None:
        slow = self._waiting.pop(number, None)
        if slow is not None:
            slow.throw(TooSlow("the body took so long that others needed its place"))
