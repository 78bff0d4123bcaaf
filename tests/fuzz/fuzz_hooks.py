"""Fuzz one door's parser: python tests/fuzz/fuzz_hooks.py FORGE [libFuzzer's options, such as -max_total_time=60].

Needs atheris: pip install atheris. It begins with the deliveries under tests/payloads. A crash is written to the
working directory as crash-…; give that file as an option to try it again.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]


def main(forge: str, options: list[str]) -> None:
    """Fuzz until an option of libFuzzer's or an interrupt ends it."""
    with atheris.instrument_imports(include=["hooks", "pipeline"]):
        target = importlib.import_module("tests.fuzz.target")
    if forge not in target.DOORS:
        sys.exit(f"usage: fuzz_hooks.py {'|'.join(target.DOORS)} [-max_total_time=60]")
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(target.inputs(forge)):
            (Path(folder) / str(number)).write_bytes(data)
        argv = [sys.argv[0], *options, f"-max_len={target.LONGEST}", folder]
        atheris.Setup(argv, lambda data: target.try_out(forge, data))
        atheris.Fuzz()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:])
