"""The supervisor, with real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.settings import ROOT
from runtime.stack_keep import STEADY
from runtime.stack_pid import started_at

KEEP = (sys.executable, str(ROOT / "cli.py"), "keep", "--")
# Writes its number at each start, and can tell what it was sent.
CHILD = """
import os, signal, subprocess, sys, time
place = sys.argv[1]
def told(number, _frame):
    open(place + ".told", "a").write(signal.Signals(number).name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, told)
if sys.argv[2:] == ["fork"] and os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(place + ".grandchild", "w").write(str(os.getpid()))
    time.sleep(60)
open(place, "a").write(str(os.getpid()) + "\\n")
time.sleep(60)
"""


class Kept:
    """A supervisor and the program it keeps."""

    def __init__(self, place: Path, *more: str) -> None:
        self.place = place
        argv = [*KEEP, sys.executable, "-c", CHILD, str(place), *more]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    @property
    def children(self) -> list[int]:
        """Every process that was started so far."""
        return [int(line) for line in self.place.read_text().split()] if self.place.is_file() else []

    def end(self) -> None:
        """End the supervisor, if the test has not."""
        self.process.terminate()
        self.process.wait(timeout=10)
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    one = Kept(tmp_path / "pids")
    until(lambda: len(one.children) == 1, 10)
    yield one
    one.end()


def until(holds: Callable[[], object], seconds: float) -> float:
    """Wait until something holds; return how long that took."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            pytest.fail(f"did not hold within {seconds} s")
        time.sleep(0.01)
    return time.monotonic() - began


def test_a_killed_child_is_back_within_a_second_and_a_half_and_it_says_why(kept: Kept) -> None:
    os.kill(kept.children[0], signal.SIGKILL)
    until(lambda: len(kept.children) == 2, 1.5)
    assert kept.process.stdout is not None
    assert "was ended by SIGKILL" in kept.process.stdout.readline()


def test_nothing_outlives_a_supervisor_that_is_killed(kept: Kept) -> None:
    (child,) = kept.children
    kept.process.kill()
    until(lambda: started_at(child) is None, 2)


def test_sigterm_is_passed_on_once_and_ends_both(kept: Kept) -> None:
    (child,) = kept.children
    kept.process.terminate()
    assert kept.process.wait(timeout=5) == 0
    assert started_at(child) is None
    assert kept.place.with_name("pids.told").read_text() == "SIGTERM\n"


def test_what_a_killed_child_left_behind_is_gone_before_the_next_starts(tmp_path: Path) -> None:
    one = Kept(tmp_path / "pids", "fork")
    until(lambda: one.children and (tmp_path / "pids.grandchild").is_file(), 10)
    grandchild = int((tmp_path / "pids.grandchild").read_text())
    os.kill(one.children[0], signal.SIGKILL)
    until(lambda: len(one.children) == 2, 2)
    assert started_at(grandchild) is None
    one.end()


def test_a_program_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    process = subprocess.Popen([*KEEP, str(tmp_path / "later")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "could not be started (No such file or directory)" in process.stdout.readline()
    (tmp_path / "later").write_text(f"#!/bin/sh\ntouch {tmp_path}/came\nsleep 60\n")
    (tmp_path / "later").chmod(0o755)
    until((tmp_path / "came").is_file, 5)
    process.terminate()
    assert process.wait(timeout=5) == 0
    process.stdout.close()


def test_what_ran_well_is_started_again_as_what_it_became(tmp_path: Path) -> None:
    became = f"import os, time; open({str(tmp_path / 'pids')!r}, 'a').write(f'{{os.getpid()}} '); time.sleep(60)"
    first = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from runtime.stack_keep import tell_keeper;"
        "open(sys.argv[2], 'a').write('prepared\\n'); argv = [sys.executable, '-c', sys.argv[3]];"
        "tell_keeper(argv, ['PATH']); os.execv(argv[0], argv)"
    )
    prepared = tmp_path / "prepared"
    argv = [*KEEP, sys.executable, "-c", first, str(ROOT), str(prepared), became]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    pids = tmp_path / "pids"
    until(pids.is_file, 10)
    time.sleep(STEADY)
    os.kill(int(pids.read_text()), signal.SIGKILL)
    until(lambda: len(pids.read_text().split()) == 2, 1.5)
    assert prepared.read_text() == "prepared\n"
    process.terminate()
    assert process.wait(timeout=5) == 0
