"""Files that are replaced whole, and the lock that makes writers take turns."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import Unavailable
from runtime.files import locked, remove, replace


def test_a_file_is_replaced_with_its_mode_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    replace(path, b"one")
    replace(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_that_has_the_old_file_open_keeps_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    replace(path, b"old")
    with path.open("rb") as reader:
        replace(path, b"new")
        assert reader.read() == b"old"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    replace(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_removing_twice_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "a"
    replace(path, b"x")
    remove(path)
    remove(path)
    assert not path.exists()


def test_a_lock_that_is_held_is_unavailable_after_the_deadline_and_free_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "run" / "x.lock"
    with locked(path, 1), pytest.raises(Unavailable) as fault, locked(path, 0.01):
        pytest.fail("two had it at once")
    assert fault.value.code == "locked"
    with locked(path, 0.01):
        assert path.exists()


def test_a_lock_is_freed_when_its_holder_dies(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    code = "import os, sys; from pathlib import Path; from runtime.files import locked\n"
    code += "with locked(Path(sys.argv[1]), 1): os._exit(1)"
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=Path(__file__).parents[2], check=False)
    with locked(path, 0.01):
        assert path.exists()
