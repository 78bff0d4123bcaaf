"""The fuzz targets: they try out what they begin with, notice what is wrong, and run where atheris is installed."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from hooks import git
from pipeline.push import Push
from tests.fuzz import target
from tests.payload_files import FORGES

FUZZER = Path(target.__file__).with_name("fuzz_hooks.py")


@pytest.mark.parametrize("forge", FORGES)
def test_a_fuzz_target_tries_out_all_it_begins_with(forge: str) -> None:
    beginnings = target.inputs(forge)
    assert len(beginnings) > 20
    for data in (*beginnings, b"", b"\n", b"\xff\n\xff"):
        target.try_out(forge, data)


def test_a_fuzz_target_notices_an_event_that_must_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Push(ref="refs/heads/..", before="0" * 40, after="1" * 40, repository="shop")
    monkeypatch.setattr(git, "events", lambda message: (wrong,))
    with pytest.raises(AssertionError):
        target.try_out("git", b"\n{}")


@pytest.mark.skipif(
    find_spec("atheris") is None, reason="fuzzing needs atheris, which is optional: pip install atheris"
)
@pytest.mark.parametrize("forge", FORGES)
def test_a_fuzz_target_runs(forge: str, tmp_path: Path) -> None:
    argv = [sys.executable, str(FUZZER), forge, "-runs=2000", "-seed=1"]
    ended = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr[-2_000:]
    assert "Done 2000 runs" in ended.stderr
    assert not list(tmp_path.glob("crash-*"))
