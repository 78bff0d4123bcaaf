"""Lines out of chunks that are cut anywhere."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.lines import LONGEST_LINE, Frames, Lines, Output


def lines_of(*chunks: bytes) -> list[str]:
    lines = Lines()
    return [*(line for chunk in chunks for line in lines.feed(chunk)), *lines.flush()]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a", b"b\nc"], ["ab", "c"]),
        ([b"a\r", b"\nb"], ["a", "b"]),
        ([b"10%\r20%\r\n"], ["10%", "20%"]),
        ([b"a\r"], ["a"]),
        ([b"\n\n"], ["", ""]),
        ([b"\xc3", b"\xa9\n"], ["é"]),
        ([b"\xff\n"], ["�"]),
        ([], []),
    ],
)
def test_lines_end_where_they_end(chunks: list[bytes], expected: list[str]) -> None:
    assert lines_of(*chunks) == expected


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_it_does_not_matter_where_the_chunks_are_cut(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(data)]
    assert lines_of(*(data[a:b] for a, b in pairwise(edges))) == lines_of(data)


def test_a_line_without_end_is_cut_before_it_fills_the_memory() -> None:
    lines = Lines()
    pieces = [piece for _ in range(64) for piece in lines.feed(b"x" * 1024)]
    assert [len(piece) for piece in pieces] == [LONGEST_LINE] * 3
    assert sum(map(len, pieces)) + sum(map(len, lines.flush())) == 64 * 1024


def test_a_long_line_is_not_cut_inside_a_character() -> None:
    text = "x" + "é" * LONGEST_LINE
    pieces = lines_of(text.encode())
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= LONGEST_LINE for piece in pieces)


def frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(data)) + data


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=20)), max_size=6), st.integers(1, 9))
def test_frames_are_taken_apart_however_they_arrive(sent: list[tuple[int, bytes]], size: int) -> None:
    data = b"".join(frame(*one) for one in sent)
    frames = Frames()
    got = [piece for at in range(0, len(data), size) for piece in frames.feed(data[at : at + size])]
    for stream in (1, 2):
        assert b"".join(d for s, d in got if s == stream) == b"".join(d for s, d in sent if s == stream)


def test_each_streams_line_stays_whole_while_the_two_are_interleaved() -> None:
    output = Output()
    data = frame(1, b"out") + frame(2, b"err\n") + frame(1, b"put\n") + frame(2, b"rest")
    assert [*output.feed(data), *output.flush()] == ["err", "output", "rest"]
