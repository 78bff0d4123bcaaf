"""The datagram that wakes the clock."""

import time
from pathlib import Path

from runtime.wake import Wake


def test_a_ring_is_heard_at_once_and_rings_that_wait_count_as_one(tmp_path: Path) -> None:
    wake = Wake(tmp_path / "run" / "clock.sock")
    bell = wake.listen()
    for _ in range(3):
        wake.send()
    began = time.monotonic()
    assert bell.wait(5)
    assert not bell.wait(0.01)
    assert time.monotonic() - began < 1
    bell.close()


def test_a_wait_without_a_ring_ends_in_time(tmp_path: Path) -> None:
    bell = Wake(tmp_path / "clock.sock").listen()
    began = time.monotonic()
    assert not bell.wait(0.05)
    assert not bell.wait(-1)
    assert 0.04 < time.monotonic() - began < 1
    bell.close()


def test_ringing_without_a_listener_or_a_folder_is_fine(tmp_path: Path) -> None:
    Wake(tmp_path / "clock.sock").send()
    Wake(tmp_path / "nothing" / "clock.sock").send()
    left = Wake(tmp_path / "left.sock")
    left.listen().close()
    left.send()


def test_ten_thousand_rings_that_nobody_hears_never_block(tmp_path: Path) -> None:
    wake = Wake(tmp_path / "clock.sock")
    bell = wake.listen()
    began = time.monotonic()
    for _ in range(10_000):
        wake.send()
    assert time.monotonic() - began < 5
    assert bell.wait(0)
    bell.close()


def test_a_listener_takes_over_what_a_dead_one_left(tmp_path: Path) -> None:
    wake = Wake(tmp_path / "clock.sock")
    dead, living = wake.listen(), wake.listen()
    wake.send()
    assert living.wait(1)
    assert not dead.wait(0)
    dead.close()
    living.close()


def test_a_path_longer_than_a_sockets_name_may_be_works(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 100) / ("b" * 100)
    folder.mkdir(parents=True)
    wake = Wake(folder / "clock.sock")
    bell = wake.listen()
    wake.send()
    assert bell.wait(1)
    assert (folder / "clock.sock").stat().st_mode & 0o777 == 0o600
    bell.close()
