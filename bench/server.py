"""A gunicorn to measure, with the settings of the real one; its figures come from /proc, as the kernel counts them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A running server and the process that answers."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def workers(self) -> list[int]:
        """The processes that answer requests."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def cpu_ms(self) -> float:
        """Return the processor time spent so far, in milliseconds."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.workers]
        return sum((int(field[11]) + int(field[12])) * 1000 / TICKS for field in fields)

    def memory_mb(self) -> float:
        """Return the memory of all its processes, what they share counted once."""
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in (*self.workers, self.process.pid)]
        return sum(int(line.split()[1]) for text in rollups for line in text.splitlines() if line[:4] == "Pss:") / 1024


@contextmanager
def serving(application: str, home: Path, *, url: str | None = None) -> Iterator[Server]:
    """Serve an application of this checkout on a free port, with a home of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"SLIPWAY_HOME": str(home), "SLIPWAY_WEB__PORT": str(port)}
    settings |= {"SLIPWAY_DATABASE_URL": url} if url else {}
    options = os.environ.get("BENCH_GUNICORN", "").split()
    argv = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", *options, application]
    process = subprocess.Popen(
        argv, cwd=ROOT, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(port)
        yield Server(port=port, process=process)
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                # The master listens before its worker has loaded the application.
                time.sleep(2)
                return
        time.sleep(0.05)
    raise SystemExit("the server did not start")
