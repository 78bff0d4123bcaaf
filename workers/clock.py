"""The clock: sends what waits to its queue, reaps what died, asks for environments to be looked at.

It reads what is, never what it remembers, and is woken by commits; the timer is only the safety net.
"""

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy.orm import Session

from control import deadline, schedule
from pipeline.errors import SlipwayError, Unavailable
from pipeline.looking import SHORTEST_PAUSE, spread
from runtime.jobs import Queues
from store import deliveries, ends, environments, heads, jobs, leases
from store.session import Database

LEASE = "clock"
LEASE_SECONDS = 5.0
REAP_SECONDS = 1.0
MEND_SECONDS = 10.0
REAPER_SECONDS = 30.0
PRUNE_SECONDS = 3600.0
# Looks at projects' repositories that are due when the clock starts are spread over so many seconds.
STAGGER_SECONDS = 20.0
# Nothing is thrown away in the first minutes, in which whatever was under way is taken up again.
PRUNE_DELAY = 300.0
# A run that was told to stop has so long to do so by itself.
STOP_SECONDS = 10.0
SHORTEST_NAP = 0.01
CROWDED_NAP = 0.1

log = structlog.get_logger()


class Bell(Protocol):
    """What wakes the clock."""

    def wait(self, timeout: float) -> bool:
        """Wait for a ring, at most so many seconds; tell whether it rang."""


@dataclass(kw_only=True, slots=True)
class Clock:
    """One clock; a second one waits until the first one's lease runs out. `sweep_seconds` of 0 are never.

    `run_seconds` is how long a run may go on at most, 0 for ever.
    """

    database: Database
    queues: Queues
    bell: Bell
    sweep_seconds: float = 0.0
    keep_days: float = 30
    keep_refused_days: float = 7
    run_seconds: float = 0.0
    channel: str = ""
    owner: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    monotonic: Callable[[], float] = time.monotonic
    _stopped: bool = False
    _reaped: float = -1e9
    _mended: float = -1e9
    _reaper: float = -1e9
    _pruned: float = -1e9
    _started: bool = False

    def run(self) -> None:
        """Tick until told to stop."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        while not self._stopped:
            self.bell.wait(self._nap())
        with self.database.begin() as session:
            leases.drop(session, LEASE, self.owner)

    def tick(self) -> float:
        """Do what is due and return how many seconds may pass until the next look."""
        now = self.monotonic()
        if now - self._reaped >= REAP_SECONDS and not self._keep_house(now):
            return REAP_SECONDS
        return self._dispatch()

    def _nap(self) -> float:
        try:
            return self.tick()
        except Unavailable as fault:
            log.warning("clock_waits", code=fault.code, detail=fault.sentence)
        except Exception:
            # Nobody else dispatches: a clock that stopped at a fault would stop everything.
            log.exception("clock_stumbled")
        return REAP_SECONDS

    def _keep_house(self, now: float) -> bool:
        """Hold the lease, reap dead workers' jobs, and now and then have environments looked at."""
        with self.database.begin() as session:
            if not leases.take(session, LEASE, self.owner, LEASE_SECONDS):
                return False
            reaped = jobs.reap(session)
            self._ask_for_sweeps(session)
            self._ask_for_cleaning(session, now)
            if now - self._mended >= MEND_SECONDS:
                self._mended = now
                self._ask_for_mending(session)
                self._forget_deliveries(session)
        self._reaped = now
        if reaped:
            log.warning("jobs_reaped", count=reaped)
        self._look_at_the_time()
        return True

    def _look_at_the_time(self) -> None:
        """Start what is due by its schedule, and end what has gone on for too long; no fault here stops the rest."""
        at = datetime.now(UTC)
        try:
            with self.database.begin() as session:
                schedule.start_due(session, channel=self.channel, at=at)
                deadline.end_overdue(session, self.run_seconds, channel=self.channel, at=at)
        except SlipwayError as fault:
            log.warning("clock_put_off", code=fault.code, detail=fault.sentence)

    def _ask_for_mending(self, session: Session) -> None:
        at = datetime.now(UTC)
        jobs.add(session, jobs.JobKind.SHOW, 0, at=at)
        for environment in environments.everyone(session):
            jobs.add(session, jobs.JobKind.MEND, environment.id, at=at)

    def _ask_for_cleaning(self, session: Session, now: float) -> None:
        """Have the engine looked at when this clock starts and every half a minute, and cleaned up every hour."""
        stops = ends.late(session, STOP_SECONDS)
        if stops or now - self._reaper >= REAPER_SECONDS:
            self._reaper = now
            jobs.add(session, jobs.JobKind.REAP, 0, at=datetime.now(UTC))
        if now - self._pruned >= PRUNE_SECONDS:
            self._pruned = now
            jobs.add(session, jobs.JobKind.PRUNE, 0, at=datetime.now(UTC), delay=PRUNE_DELAY)

    def _forget_deliveries(self, session: Session) -> None:
        at = datetime.now(UTC)
        before, refused_before = at - timedelta(days=self.keep_days), at - timedelta(days=self.keep_refused_days)
        deliveries.prune(session, before=before, refused_before=refused_before)

    def _ask_for_sweeps(self, session: Session) -> None:
        """Have each project's repository looked at when it has rested long enough, and when this clock starts."""
        if not self.sweep_seconds:
            return
        at, stagger = datetime.now(UTC), min(STAGGER_SECONDS, self.sweep_seconds / 5)
        for one in heads.rested(session, SHORTEST_PAUSE * self.sweep_seconds if self._started else 0.0):
            delay = 0.0 if self._started else stagger * spread(f"{one.project_id}")
            if not self._started or one.due(self.sweep_seconds):
                jobs.add(session, jobs.JobKind.SWEEP, one.project_id, at=at, delay=delay)
        if not self._started:
            jobs.hasten(session, jobs.JobKind.SWEEP, delay=stagger)  # a host that was away may be back
        self._started = True

    def _dispatch(self) -> float:
        with self.database.read() as session:
            due = jobs.due(session)
            soon = jobs.seconds_until_due(session)
        if due:
            self.queues.send((job.queue, job.id, job.fence) for job in due)
            with self.database.begin() as session:
                jobs.sent(session, due)
        # What is due and was not sent waits for a worker, whose claim will ring.
        shortest = SHORTEST_NAP if due else CROWDED_NAP
        return min(REAP_SECONDS, max(shortest, soon if soon is not None else REAP_SECONDS))

    def _stop(self, _signal: int, _frame: object) -> None:
        self._stopped = True
