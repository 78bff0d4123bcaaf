"""Measure the pipeline: `python -m bench.pipeline`, beside the same git, docker build, run and push by hand.

A whole system is started in a folder of its own; both sides work on the same commits, engine and registry, in turns.
Every figure is taken on this machine now: trust ratios, not digits.
"""

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

from bench import by_hand
from bench.pushes import Pushes

ROUNDS = 7
AT_ONCE = 10
HANDS = 2
CHAIN = 13

Times = dict[str, list[float]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder, Pushes(Path(folder)) as pushes:
        print(f"{'':44}{'Slipway':>10}{'by hand':>10}{'ratio':>8}")
        compare(pushes, asked.rounds)
        together(pushes)
        chain(pushes, asked.rounds)


def compare(pushes: Pushes, rounds: int) -> None:
    """Build, test and publish one commit after another: one with a changed line, one with nothing changed."""
    times: Times = defaultdict(list)
    hand = by_hand.Hand(pushes, "hand")
    ours = pushes.project("shop")
    for number in range(-1, rounds):
        for case in ("changed", "unchanged"):
            text = f"{number}\n" if case == "changed" else None
            for side in ("ours", "hand") if number % 2 else ("hand", "ours"):
                if side == "ours":
                    _note(times, case, ours.push(text))
                else:
                    times[f"hand {case}"].append(hand.carry(text))
        if number < 0:
            times.clear()  # the first of everything is colder than what follows
    for case in ("changed", "unchanged"):
        _row(f"one line {case}: push to tested and published", times[case], times[f"hand {case}"])
    _figure("push to first stage running", times["first"])
    _figure("push to build running", times["build"])


def _note(times: Times, case: str, run: dict[str, float]) -> None:
    times[case].append(run["whole"])
    times["first"].append(run["first"])
    times["build"].append(run["build"])


def together(pushes: Pushes) -> None:
    """Push ten branches at once to two workers; by hand the same with two hands."""
    ours, hand = pushes.project("many"), by_hand.Hand(pushes, "hands")
    names = [f"b{number}" for number in range(AT_ONCE)]
    ours.push_all(["warm"])
    by_hand.carry_all(hand, ["warm"], HANDS)
    _row(f"{AT_ONCE} pushes at once, {HANDS} workers", [ours.push_all(names)], [by_hand.carry_all(hand, names, HANDS)])


def chain(pushes: Pushes, rounds: int) -> None:
    """Run a chain of trivial stages; by hand the containers of its tests one after another."""
    ours = pushes.project("chain", stages=CHAIN - 2)
    ours.push("warm\n")
    hand = by_hand.Hand(pushes, "links")
    hand.carry("warm\n")
    took = [ours.push(f"{number}\n")["tests"] for number in range(min(3, rounds))]
    floor = [sum(hand.test() for _ in range(CHAIN - 2)) for _ in range(min(3, rounds))]
    _row(f"{CHAIN} stages in a chain: its {CHAIN - 2} tests", took, floor)


def _row(what: str, ours: list[float], floor: list[float]) -> None:
    one, other = median(ours), median(floor)
    print(f"{what:44}{one * 1000:>8.0f}ms{other * 1000:>8.0f}ms{one / other:>8.2f}")


def _figure(what: str, times: list[float]) -> None:
    print(f"{what:44}{median(times) * 1000:>8.0f}ms")


if __name__ == "__main__":
    main()
