"""How long from a line being written until a reader has it: through the API's stream, and as `slipway log -f` reads.

python -m bench.transcripts [LINES]: serves a home of its own under gunicorn and prints the distribution in ms.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import httpx

from commands.client import Client
from commands.logs import PAUSE
from runtime.transcripts import FileTranscripts
from tests import factories as make
from tests import serving

LOG = "/runs/r1/stages/unit/log"
EVERY = 0.137


def main(lines: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with make.database(home).begin() as session:
            make.run(session, make.project(session), {"unit": "running"}, state="running")
        with serving.gunicorn(home) as url:
            for name, read in (("stream (page, API)", _stream), ("slipway log -f", _command)):
                waits = sorted(_measure(home, read(url), lines))
                tail = quantiles(waits, n=20)[-1]
                print(f"{name:<20} median {median(waits):6.1f}   p95 {tail:6.1f}   worst {waits[-1]:6.1f}  ms")


def _measure(home: Path, reader: Iterator[bytes], lines: int) -> list[float]:
    written = FileTranscripts(home / "transcripts", limit=10**7).open(1, "unit", 1)
    written.write("ready")
    waits: list[float] = []
    started = threading.Event()

    def write() -> None:
        started.wait(10)
        for _ in range(lines):
            time.sleep(EVERY)
            written.write(f"at {time.monotonic()}")

    writer = threading.Thread(target=write)
    writer.start()
    for data in reader:
        now = time.monotonic()
        started.set()
        waits += [(now - float(line.split()[-1])) * 1000 for line in data.splitlines() if b"at " in line]
        if len(waits) >= lines:
            break
    writer.join()
    written.close()
    (home / "transcripts" / "r1" / "unit.log").unlink()
    return waits


def _stream(url: str) -> Iterator[bytes]:
    with httpx.stream("GET", f"{url}/api/v1{LOG}/stream", timeout=30, trust_env=False) as answer:
        for line in answer.iter_lines():
            yield line.encode()


def _command(url: str) -> Iterator[bytes]:
    offset = 0
    with Client(url) as client:
        while True:
            data, offset, _ = client.log(LOG, offset)
            yield data
            time.sleep(PAUSE)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
