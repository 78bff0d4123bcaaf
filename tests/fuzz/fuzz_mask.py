"""Fuzz the mask: python tests/fuzz/fuzz_mask.py [libFuzzer's options, such as -max_total_time=60].

Needs atheris: pip install atheris. The first line of an input is the secret, in the rest every S stands for it.
"""

import importlib
import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]


def main(options: list[str]) -> None:
    """Fuzz until an option of libFuzzer's or an interrupt ends it."""
    with atheris.instrument_imports(include=["pipeline", "runtime"]):
        target = importlib.import_module("tests.fuzz.mask_target")
    atheris.Setup([sys.argv[0], *options, "-max_len=65536"], target.try_out)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(sys.argv[1:])
