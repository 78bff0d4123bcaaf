"""Measure the inbox: `python -m bench.inbox`, beside the least that a receiver of webhooks can do; `--growth` grows it.

Every figure is taken on this machine now, with the load generator on the same cores: trust ratios, not digits.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from bench import growth, syncs
from bench.home import prepared
from bench.server import ROOT, Server, serving

OURS, FLOOR = "Slipway", "floor: Flask, HMAC only"
APPLICATIONS = {OURS: "app:create_app()", FLOOR: "bench.floor:app"}
CONNECTIONS = (1, 16, 64)
COUNTS = {1: 600, 16: 2_000, 64: 2_000}
ROUNDS = 3
# Measured once elsewhere with the same load, as parts of the floor that was measured beside them.
PEERS = (("adnanh/webhook 2.8 (keeps nothing)", 0.55), ("Buildbot 4.3 (no de-duplication)", 0.02))

Figures = dict[str, Any]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--growth", action="store_true", help="compare an empty database with a large one")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        if asked.growth:
            growth.measure(Path(folder))
        else:
            measure(Path(folder), asked.rounds)


def measure(folder: Path, rounds: int) -> None:
    """Measure Slipway and the floor in turns, and print the table."""
    home = prepared(folder / "home")
    found: dict[tuple[str, int], list[Figures]] = defaultdict(list)
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(app, home)) for name, app in APPLICATIONS.items()}
        for server in servers.values():
            load(server, 4, 200, "warm")
        for turn in range(rounds):
            for connections in CONNECTIONS:
                for name in list(servers) if turn % 2 else reversed(list(servers)):
                    figures = load(servers[name], connections, COUNTS[connections], f"{turn}-{connections}")
                    found[name, connections].append(figures)
        counted = syncs.measure(servers[OURS], load, folder)
    _print_table({key: _middle(figures) for key, figures in found.items()})
    print(counted)


def load(server: Server, connections: int, count: int, seed: str) -> Figures:
    """Load a server from another process and return what was seen on both sides."""
    before = server.cpu_ms()
    argv = [sys.executable, "-m", "bench.load", str(server.port), str(connections), str(count), seed]
    out = subprocess.run([*argv, "/hooks/github/shop"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    figures: Figures = json.loads(out)
    if figures["codes"] != {"202": count}:
        raise SystemExit(f"not all were accepted: {figures['codes']}")
    return figures | {"cpu": (server.cpu_ms() - before) / count, "memory": server.memory_mb()}


def _middle(figures: list[Figures]) -> Figures:
    return {name: median(one[name] for one in figures) for name in ("rate", "p50", "p99", "cpu", "memory")}


def _print_table(found: dict[tuple[str, int], Figures]) -> None:
    print(f"{'':36}{'conn.':>6}{'accepted/s':>12}{'p50 ms':>8}{'p99 ms':>8}{'CPU ms':>8}{'MB':>6}{'÷ floor':>9}")
    for connections in CONNECTIONS:
        floor = found[FLOOR, connections]["rate"]
        for name in (FLOOR, OURS):
            one = found[name, connections]
            print(
                f"{name:36}{connections:>6}{one['rate']:>12.0f}{one['p50']:>8.1f}{one['p99']:>8.1f}"
                f"{one['cpu']:>8.2f}{one['memory']:>6.0f}{one['rate'] / floor:>9.2f}"
            )
    for name, ratio in PEERS:
        print(f"{name:36}{16:>6}{'':>42}{ratio:>9.2f}  (measured elsewhere)")


if __name__ == "__main__":
    main()
