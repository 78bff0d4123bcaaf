"""Killing parts of a running Slipway at random, and looking what is left when everything has come to an end."""

import os
import random
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.system import System, until

WORKERS = ("workers stages", "workers forges", "workers upkeep", "workers chat")
PARTS = ("redis-server", "workers clock", "gunicorn", "haproxy", *WORKERS)
CHILD = "a stage's child"
FROZEN = "a stage's child, for longer than its lease"
FROZEN_SECONDS = 17.0
AT_WORK = "select owner from job where kind in ('stage', 'deployment') and state = 'running'"
# What serves, and with it one network an environment, is all that may be there once every run has ended.
LEFT = """select count(*) from job where state = 'running' and lease_until < (julianday('now') - 2440587.5) * 86400.0"""


@dataclass(kw_only=True)
class Killer:
    """Kills what it likes, the same for the same seed as far as a busy machine lets it."""

    slipway: System
    seed: int
    killed: dict[str, int] = field(default_factory=dict)
    _bag: list[str] = field(default_factory=list)
    _thaws: list[threading.Timer] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin the row of chances."""
        self._chance = random.Random(self.seed)

    def rounds(self, number: int) -> None:
        """Kill so many times, a moment apart."""
        while sum(self.killed.values()) < number:
            time.sleep(self._chance.uniform(0.2, 1.5))
            victim = self._next()
            if not self._kill(victim):
                # Every run has ended by now: there is nobody at work any more, but there are parts.
                victim = self._chance.choice(PARTS)
                if not self._kill(victim):
                    continue
            self.killed[victim] = self.killed.get(victim, 0) + 1
        for thaw in self._thaws:
            thaw.join()
        self._thaws.clear()

    def _next(self) -> str:
        """Draw a victim: of the first nine each is another, later what works at a stage comes as often as the rest."""
        if not self._bag:
            more = [CHILD] * (len(PARTS) - 1) + [FROZEN] if self.killed else []
            self._bag = [*PARTS, CHILD, *more]
            self._chance.shuffle(self._bag)
        return self._bag.pop()

    def _kill(self, victim: str) -> bool:
        if victim == FROZEN:
            return any(self._freeze(pid) for pid in self._children()[:1])
        pids = self._children() if victim == CHILD else processes(self.slipway, victim)
        if victim.startswith("workers s") and pids:
            pids = [self._chance.choice(pids)]
        for pid in pids[:1] if victim == CHILD else pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return False
        return bool(pids)

    def _freeze(self, pid: int) -> bool:
        """Let a process stand still until another has its job, then wake it up."""
        try:
            os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError:
            return False
        self._thaws.append(threading.Timer(FROZEN_SECONDS, _wake, [pid]))
        self._thaws[-1].start()
        return True

    def _children(self) -> list[int]:
        """Return who is at work at a stage, in any order; wait a moment for somebody to be."""
        deadline = time.monotonic() + 3
        while True:
            with self.slipway.sql() as connection:
                owners = connection.exec_driver_sql(AT_WORK).scalars().all()
            ours = set(processes(self.slipway, "workers"))
            pids = [pid for pid in (int(owner.split(":")[1]) for owner in owners if owner) if pid in ours]
            if pids or time.monotonic() > deadline:
                self._chance.shuffle(pids)
                return pids
            time.sleep(0.05)


def _wake(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def processes(slipway: System, words: str) -> list[int]:
    """Return the processes of this home whose command line says these words."""
    home = f"SLIPWAY_HOME={slipway.home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            ours = home in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if ours and words in line and " keep " not in line:
            found.append(int(folder.name))
    return found


def nothing_is_left_over(slipway: System, seconds: float = 90) -> None:
    """See that, after the reaper's next round, there is nothing that nobody needs, and that the database is sound."""

    def said() -> str:
        return slipway.command("prune", "--dry-run")

    until(lambda: "nothing is left over" in said(), seconds, said)
    until(lambda: slipway.value(LEFT) == 0, 60, lambda: "a dead worker's lease is left")
    assert slipway.value("PRAGMA integrity_check") == "ok"


def made_once(slipway: System, revision: str) -> None:
    """See that all that a run has brought about is there once."""
    one = {"revision": revision}
    run = "(select id from run where revision = :revision)"
    assert slipway.value("select count(*) from run where revision = :revision", **one) == 1
    assert slipway.value("select count(*) - count(distinct service) from image where revision = :revision", **one) == 0
    twice = f"select count(*) - count(distinct stage_id) from deployment where run_id = {run}"  # noqa: S608
    assert slipway.value(twice, **one) == 0
    messages = f"select count(*) from message where kind = 'run' and ref_id = {run}"  # noqa: S608
    assert slipway.value(messages, **one) == 1
    shown = f"select count(*) from recorded where ts in (select ts from message where kind = 'run' and ref_id = {run})"  # noqa: S608
    until(lambda: slipway.value(shown, **one) == 1, 60, lambda: "the run's message is not there once")


def containers(slipway: System, **labels: str) -> list[str]:
    """Return the ids of the containers with these labels."""
    words = [word for key, value in labels.items() for word in ("--filter", f"label=dev.slipway.{key}={value}")]
    listing = ["docker", "ps", "-aq", *words]
    return subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()
