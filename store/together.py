"""Group commit: what many requests want written at the same moment is one transaction."""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Generic, TypeVar, cast

from pipeline.errors import SlipwayError, Unavailable

Work = TypeVar("Work")
Done = TypeVar("Done")

MOST = 64
# Longer than any transaction may wait for the database; whoever still waits then has lost its leader.
PATIENCE_SECONDS = 60.0


@dataclass(kw_only=True, slots=True, eq=False)
class _Ticket(Generic[Work, Done]):
    """One caller's work, and what became of it; `leads` tells it to carry out the next group."""

    work: Work
    called: Event = field(default_factory=Event)
    leads: bool = False
    done: Done | None = None
    fault: Exception | None = None


class Together(Generic[Work, Done]):
    """Carries out the works of many threads or greenlets in groups: the first caller leads, the others wait for it.

    `do` returns what became of each work, in order, and does either all of them or none; `weight` is how much of a
    group one of them takes up. If `do` raises, each work is done again alone, so that it fails alone.
    """

    def __init__(
        self,
        do: Callable[[Sequence[Work]], Sequence[Done]],
        *,
        most: int = MOST,
        weight: Callable[[Work], int] = lambda _work: 1,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._do, self._most, self._weight, self._patience = do, most, weight, patience
        self._reset()

    def __call__(self, work: Work) -> Done:
        """Return what `do` returns for this work, or raise what it raises for it."""
        ticket = _Ticket[Work, Done](work=work)
        if self._queue(ticket):
            self._gather(ticket)
            self._lead()
        else:
            self._follow(ticket)
        if ticket.fault is not None:
            raise ticket.fault
        return cast(Done, ticket.done)

    def _reset(self) -> None:
        self._lock, self._pid = Lock(), os.getpid()
        self._waiting: deque[_Ticket[Work, Done]] = deque()
        self._led = False

    def _queue(self, ticket: _Ticket[Work, Done]) -> bool:
        """Line up; return whether the caller leads."""
        if self._pid != os.getpid():
            # A fork has copied a leader that runs elsewhere.
            self._reset()
        with self._lock:
            self._waiting.append(ticket)
            led, self._led = self._led, True
            return not led

    def _gather(self, ticket: _Ticket[Work, Done]) -> None:
        """Let whatever has been received already join the group; twice, since only then are sockets looked at."""
        try:
            time.sleep(0)
            time.sleep(0)
        except BaseException:
            # A greenlet that is killed before it leads must leave the lead to somebody else.
            with self._lock:
                self._waiting.remove(ticket)
            self._hand_over()
            raise

    def _follow(self, ticket: _Ticket[Work, Done]) -> None:
        """Wait for a leader, or to become one. Raises Unavailable after long enough."""
        try:
            called = ticket.called.wait(self._patience)
        except BaseException:
            # A greenlet that is killed must not be handed the lead.
            if not self._withdraw(ticket):
                self._lead()
            raise
        if not called and self._withdraw(ticket):
            raise Unavailable("too much is being written just now; try again", code="busy")
        if ticket.leads:
            self._lead()

    def _withdraw(self, ticket: _Ticket[Work, Done]) -> bool:
        """Leave the line; return whether the caller is free to go, and not called to lead at the last moment."""
        with self._lock:
            if ticket in self._waiting and not ticket.leads:
                self._waiting.remove(ticket)
            return not ticket.leads

    def _lead(self) -> None:
        """Carry out the group at the head of the line, then let the next in line lead."""
        group: list[_Ticket[Work, Done]] = []
        try:
            with self._lock:
                group = self._next_group()
            self._carry_out(group)
        finally:
            self._hand_over()
            for ticket in group:
                ticket.called.set()

    def _next_group(self) -> list[_Ticket[Work, Done]]:
        group, taken = [self._waiting.popleft()], 0
        taken += self._weight(group[0].work)
        while self._waiting and taken + self._weight(self._waiting[0].work) <= self._most:
            taken += self._weight(self._waiting[0].work)
            group.append(self._waiting.popleft())
        return group

    def _hand_over(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].called.set()
            else:
                self._led = False

    def _carry_out(self, group: list[_Ticket[Work, Done]]) -> None:
        for ticket in group:
            ticket.fault = Unavailable("its group was given up; try again", code="busy")
        try:
            self._note(group, self._do([ticket.work for ticket in group]))
        except Unavailable as fault:
            # Not one work's fault, and to wait for the database once for each would take all day.
            _blame(group, fault)
        except Exception as fault:
            if len(group) == 1:
                _blame(group, fault)
            else:
                for ticket in group:
                    self._carry_out([ticket])

    def _note(self, group: list[_Ticket[Work, Done]], found: Sequence[Done]) -> None:
        for ticket, done in zip(group, found, strict=True):
            ticket.done, ticket.fault = done, None


def _blame(group: list[_Ticket[Work, Done]], fault: Exception) -> None:
    """Give each its own copy of a fault of ours: raising one object in many threads would mix up its traceback."""
    for ticket in group:
        ticket.fault = _copy(fault) if isinstance(fault, SlipwayError) else fault


def _copy(fault: SlipwayError) -> SlipwayError:
    return type(fault)(fault.sentence, code=fault.code, fix=fault.fix)
