"""Everything at once on one machine: the lines of the Procfile under honcho, stopped in order."""

import functools
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import honcho.manager
from honcho.environ import parse_procfile
from honcho.printer import Printer
from honcho.process import Popen, Process

from runtime.stack_pid import die_with_parent

# Who works stops first, then what leads to it, then what it leans on.
ORDER = (("web", "worker", "chat", "forges", "upkeep", "clock"), ("proxy", "dns"), ("redis", "registry"))
WAVE_SECONDS = 6.0
ALL_SECONDS = 18
UP = "SLIPWAY_UP"
INSTANCE = "SLIPWAY_INSTANCE"
PART = "SLIPWAY_PART"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One process of the system: `worker.2` is the second of the line `worker`."""

    name: str
    command: str

    @property
    def line(self) -> str:
        """The name of its line in the Procfile."""
        return self.name.partition(".")[0]


def read_procfile(text: str, workers: int) -> tuple[Part, ...]:
    """Return the parts a Procfile names, with as many workers as are wanted."""
    parts: list[Part] = []
    for line, command in parse_procfile(text).processes.items():
        if line == "worker":
            parts += (Part(name=f"worker.{number}", command=command) for number in range(1, workers + 1))
        else:
            parts.append(Part(name=line, command=command))
    return tuple(parts)


def waves(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the parts in the order in which they stop; what the order does not know stops with the first."""
    place = {line: number for number, wave in enumerate(ORDER) for line in wave}
    numbered = [(place.get(name.partition(".")[0], 0), name) for name in names]
    return tuple(tuple(name for at, name in numbered if at == number) for number in range(len(ORDER)))


def run_stack(
    parts: Sequence[Part], *, home_id: str, env: Mapping[str, str], folder: Path, started: Callable[[], None]
) -> int:
    """Run every part until told to stop or one cannot be kept; return the exit code. `started` is called beside it."""
    honcho.manager.KILL_WAIT = ALL_SECONDS
    stack = _Stack(Printer(sys.stdout), started)
    for part in parts:
        marks = {UP: home_id, INSTANCE: part.name, "PYTHONUNBUFFERED": "1"}
        stack.add_process(part.name, part.command, env={**env, **marks}, cwd=str(folder))
    stack.loop()
    return int(stack.returncode or 0)


class _Process(Process):  # type: ignore[misc]
    """honcho's process, that ends with honcho whatever ends it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._child_ctor = _start

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        """Start the command and hand on what it says; called by honcho in a process of its own."""
        die_with_parent(signal.SIGKILL)
        super().run(events, ignore_signals)


def _start(command: str, **options: Any) -> Any:
    # SIGTERM, not SIGKILL: the supervisor then ends its own child in order.
    return Popen(command, preexec_fn=functools.partial(die_with_parent, signal.SIGTERM), **options)


class _Stack(honcho.manager.Manager):  # type: ignore[misc]
    """honcho's manager, that stops wave after wave instead of all at once."""

    def __init__(self, printer: Printer, started: Callable[[], None]) -> None:
        super().__init__(printer)
        self._started = started
        self._terminating: bool = False
        self._process_ctor = _Process

    def terminate(self) -> None:
        """Begin to stop; honcho's loop goes on until all have ended, and kills what has not after ALL_SECONDS."""
        if not self._terminating:
            self._terminating = True
            Thread(target=self._stop_in_order, daemon=True).start()

    def _start(self) -> None:
        super()._start()
        # Only now: a process that forks while it has threads may fork a lock that nobody will ever release.
        Thread(target=self._started, daemon=True).start()

    def _stop_in_order(self) -> None:
        for wave in waves(tuple(self._processes)):
            told: set[str] = set()
            deadline = time.monotonic() + WAVE_SECONDS
            while (running := self._running(wave)) and time.monotonic() < deadline:
                # honcho learns a process's id by message, so one that has only just begun may not have it yet.
                for name in running - told:
                    if pid := self._processes[name].get("pid"):
                        told.add(name)
                        self._procmgr.terminate(pid)
                time.sleep(0.02)

    def _running(self, wave: Sequence[str]) -> set[str]:
        return {name for name in wave if self._processes[name].get("returncode") is None}


def part_environment() -> dict[str, str]:
    """Return this process's environment without what belongs to a running system's own parts."""
    return {name: value for name, value in os.environ.items() if name not in {UP, INSTANCE, PART}}
