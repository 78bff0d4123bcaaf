"""Count what the disk is asked for: each commit is an fdatasync, or it was not durable."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.server import Server

CONNECTIONS, COUNT = 16, 1_000


def measure(server: Server, load: Callable[..., dict[str, Any]], folder: Path) -> str:
    """Return how many commits and how many fdatasync calls a load made, in words."""
    if shutil.which("strace") is None:
        return "fdatasync: not counted, strace is not installed"
    out = folder / "strace"
    # One look for the clock's socket follows each commit, whether it is there or not.
    calls = "trace=fdatasync,sendto,openat"
    argv = ["strace", "-f", "-e", calls, "-o", str(out), "-p", str(server.workers[0])]
    tracer = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        load(server, CONNECTIONS, COUNT, "syncs")
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
    said = out.read_text()
    rings = len(re.findall(r"openat\(.*O_PATH", said))
    syncs = len(re.findall(r"\bfdatasync\(", said))
    return f"{COUNT} deliveries at {CONNECTIONS} connections: {rings} commits, {syncs} fdatasync (checkpoints included)"
