import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import NotFound
from pipeline.pieces import led
from runtime.lines import Lines
from runtime.transcript_file import WAITING_BYTES
from runtime.transcripts import FileTranscripts


@pytest.fixture
def kept(tmp_path: Path) -> FileTranscripts:
    return FileTranscripts(tmp_path, limit=1024**2)


def log(directory: Path, stage: str = "unit") -> Path:
    return directory / "r7" / f"{stage}.log"


def until(condition: object, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_lines_are_in_the_file_at_once(kept: FileTranscripts, tmp_path: Path) -> None:
    transcript = kept.open(7, "unit", 1)
    waits = []
    for number in range(50):
        began = time.monotonic()
        transcript.write(f"line {number}")
        wanted = f"line {number}\n".encode()
        until(lambda wanted=wanted: log(tmp_path).exists() and log(tmp_path).read_bytes().endswith(wanted))
        waits.append(time.monotonic() - began)
    transcript.close()
    assert sorted(waits)[25] < 0.3
    assert log(tmp_path).read_text() == "".join(f"line {number}\n" for number in range(50))


def test_the_end_is_said_beside_the_file(kept: FileTranscripts, tmp_path: Path) -> None:
    transcript = kept.open(7, "unit", 1)
    assert not kept.ended(7, "unit")
    transcript.write("x")
    transcript.close()
    assert kept.ended(7, "unit")
    assert log(tmp_path).with_name("unit.log.end").exists()


def test_a_stage_that_says_nothing_has_an_empty_file_that_ended(kept: FileTranscripts, tmp_path: Path) -> None:
    kept.open(7, "unit", 1).close()
    assert (log(tmp_path).read_bytes(), kept.ended(7, "unit"), kept.tail(7, "unit", 5)) == (b"", True, ())


def test_no_half_of_a_secret_is_kept_or_told_although_another_speaks_in_between(
    kept: FileTranscripts, tmp_path: Path
) -> None:
    transcript = kept.open(7, "unit", 1)
    transcript.hide(["token-1"])
    first, second = Lines().feed(f"{'x' * 16_380}token-1 y\n".encode())
    for line in (led("web | ", first), "api | z", led("web | ", second)):
        transcript.write(line)
    transcript.close()
    for shown in (log(tmp_path).read_text().splitlines(), transcript.masked_lines([first, "z", second])):
        assert len(shown) == 3
        assert not any(part in line for line in shown for part in ("toke", "n-1"))
    assert transcript.masked_lines([second]) == ("[masked] y",), "half a line is known by what was before it"
    assert transcript.masked("a token-1 b", 4) == "a [m"


def test_another_attempt_goes_on_below_the_first(kept: FileTranscripts, tmp_path: Path) -> None:
    kept.open(7, "unit", 1).close()
    first = kept.open(7, "unit", 1)
    first.write("one")
    first.close()
    second = kept.open(7, "unit", 2)
    assert not kept.ended(7, "unit")
    second.write("two")
    second.close()
    assert log(tmp_path).read_text() == "one\n— attempt 2 —\ntwo\n"


def test_half_a_line_of_a_killed_worker_does_not_swallow_the_next(kept: FileTranscripts, tmp_path: Path) -> None:
    log(tmp_path).parent.mkdir()
    log(tmp_path).write_text("whole\nhal")
    transcript = kept.open(7, "unit", 2)
    transcript.write("next")
    transcript.close()
    assert log(tmp_path).read_text() == "whole\nhal\n— attempt 2 —\nnext\n"


def test_nothing_is_written_after_the_end(kept: FileTranscripts, tmp_path: Path) -> None:
    transcript = kept.open(7, "unit", 1)
    transcript.close()
    transcript.write("late")
    transcript.close()
    assert log(tmp_path).read_text() == ""


def test_too_much_output_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    kept = FileTranscripts(tmp_path, limit=10_000, tail=2_000)
    transcript = kept.open(7, "unit", 1)
    for number in range(5_000):
        transcript.write(f"line {number:05}")
    assert kept.tail(7, "unit", 2) == ("line 04998", "line 04999")
    transcript.close()
    lines = log(tmp_path).read_text().splitlines()
    assert lines[0] == "line 00000"
    assert lines[-1] == "line 04999"
    assert "… 0.0 MB are full: the end follows when this is over …" in lines
    assert any(line.endswith("MB cut …") for line in lines)
    assert log(tmp_path).stat().st_size < 12_500
    assert kept.tail(7, "unit", 2) == ("line 04998", "line 04999")


def test_output_just_over_the_limit_loses_nothing(tmp_path: Path) -> None:
    kept = FileTranscripts(tmp_path, limit=2_500, tail=1_250)
    transcript = kept.open(7, "unit", 1)
    for number in range(150):
        transcript.write(f"line {number:05}")
    transcript.close()
    lines = [line for line in log(tmp_path).read_text().splitlines() if line.startswith("line")]
    assert lines == [f"line {number:05}" for number in range(150)]


def test_however_many_attempts_a_stage_keeps_little_more_than_its_limit(tmp_path: Path) -> None:
    kept = FileTranscripts(tmp_path, limit=1024**2, tail=256 * 1024)
    for attempt in range(1, 6):
        transcript = kept.open(7, "unit", attempt)
        for number in range(20_000):
            transcript.write(f"{attempt} line {number:05} {'x' * 80}")
        transcript.close()
        assert kept.tail(7, "unit", 1)[0].startswith(f"{attempt} line 19999")
    text = log(tmp_path).read_text()
    assert len(text) < 1024**2 + 5 * 70 * 1024
    assert text.startswith("1 line 00000")


def test_d6_a_flood_stays_within_its_bounds_and_is_fast(tmp_path: Path) -> None:
    kept = FileTranscripts(tmp_path, limit=4 * 1024**2)
    transcript = kept.open(7, "unit", 1)
    line = "x" * 1000
    for _ in range(40_000):
        transcript.write(line)
    transcript.close()
    assert log(tmp_path).stat().st_size < 5.2 * 1024**2


def test_the_tail_holds_what_was_only_just_written(kept: FileTranscripts) -> None:
    transcript = kept.open(7, "unit", 1)
    for number in range(500):
        transcript.write(f"\x1b[31mline {number}\x1b[0m")
    assert kept.tail(7, "unit", 2) == ("line 498", "line 499")
    assert kept.tail(7, "unit", 0) == ()
    transcript.close()


def test_the_tail_of_nothing_is_nothing(kept: FileTranscripts) -> None:
    assert kept.tail(7, "unit", 5) == ()


def test_a_reader_gets_whole_lines_from_where_it_was(kept: FileTranscripts, tmp_path: Path) -> None:
    log(tmp_path).parent.mkdir()
    log(tmp_path).write_bytes("ä one\ntwo\nhal".encode())
    first = kept.read(7, "unit", 0, most=8)
    assert first == "ä one\n".encode()
    assert kept.read(7, "unit", len(first)) == b"two\n"
    assert kept.read(7, "unit", kept.size(7, "unit")) == b""
    assert b"".join(kept.chunks(7, "unit")) == "ä one\ntwo\n".encode()


def test_a_reader_of_what_is_not_there_gets_nothing(kept: FileTranscripts) -> None:
    assert (kept.read(7, "unit", 0), kept.size(7, "unit"), kept.ended(7, "unit")) == (b"", 0, False)


@pytest.mark.parametrize("stage", ["../r8/unit", "a/b", "", ".", "..", "Unit", "unit\n", "a" * 41])
def test_only_a_stages_own_name_is_ever_a_path(kept: FileTranscripts, stage: str) -> None:
    with pytest.raises(NotFound):
        kept.read(7, stage, 0)
    with pytest.raises(NotFound):
        kept.open(7, stage, 1)


def test_a_link_in_the_place_of_a_transcript_is_not_followed(kept: FileTranscripts, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    log(tmp_path).parent.mkdir()
    log(tmp_path).symlink_to(secret)
    transcript = kept.open(7, "unit", 1)
    transcript.write("x")
    transcript.close()
    assert secret.read_text() == "secret\n"


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_f58_a_full_disk_costs_lines_and_never_the_stage(kept: FileTranscripts, tmp_path: Path) -> None:
    transcript = kept.open(7, "unit", 1)
    with files_of_at_most(25):
        for number in range(10):
            transcript.write(f"line {number}")
        transcript.settle(5)
    transcript.write("there is room again")
    transcript.close()
    assert log(tmp_path).read_text().splitlines() == [
        "line 0",
        "line 1",
        "line 2",
        "line",
        "… 7 lines lost: the disk is full or slow …",
        "there is room again",
    ]


def test_f58_a_slow_disk_costs_lines_and_never_the_stage(tmp_path: Path) -> None:
    kept = FileTranscripts(tmp_path, limit=100 * 1024**2)
    log(tmp_path).parent.mkdir()
    os.mkfifo(log(tmp_path))
    transcript = kept.open(7, "unit", 1)
    began = time.monotonic()
    for _ in range(3 * WAITING_BYTES // 1000):
        transcript.write("x" * 999)
    assert time.monotonic() - began < 5
    seen: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(log(tmp_path), seen))
    reader.start()
    transcript.settle(10)
    transcript.write("the disk is fast again")
    transcript.close()
    reader.join(10)
    lines = b"".join(seen).decode().splitlines()
    assert lines[-1] == "the disk is fast again"
    assert "lines lost: the disk is full or slow" in lines[-2]


def _read_all(path: Path, seen: list[bytes]) -> None:
    with path.open("rb") as file:
        while chunk := file.read1(65536):
            seen.append(chunk)
