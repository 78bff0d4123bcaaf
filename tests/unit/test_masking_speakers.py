"""Nothing of a secret is left, however many speak at once, wherever their lines are cut, and whatever is kept of it."""

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.masking import MASK, Mask, MaskedLines
from pipeline.pieces import led
from runtime import lines as reading
from runtime.lines import Lines

SECRET = "TOKEN-OF-ANA"
# Secrets are written in capitals, everything else is not: one that is left is part of a secret.
secrets_ = st.lists(st.text("ABCDE", min_size=4, max_size=12), min_size=1, max_size=3)


class Room:
    """Speakers, each with two streams, one transcript, and the last lines of each of them."""

    def __init__(self, secrets: list[str], speakers: int, tail: int) -> None:
        self.mask = Mask()
        self.mask.hide(secrets)
        self._masked = MaskedLines(self.mask)
        self._streams = {(speaker, stream): Lines() for speaker in range(speakers) for stream in range(2)}
        self._tails = {speaker: deque[str](maxlen=tail) for speaker in range(speakers)}
        self.transcript: list[str] = []

    def say(self, speaker: int, stream: int, chunk: bytes) -> None:
        for line in self._streams[speaker, stream].feed(chunk):
            self._take(speaker, line)

    def end(self) -> None:
        for (speaker, _), lines in self._streams.items():
            for line in lines.flush():
                self._take(speaker, line)
        self.transcript += self._masked.flush()

    def tails(self) -> list[str]:
        found: list[str] = []
        for tail in self._tails.values():
            masked = MaskedLines(self.mask)
            found += [shown for line in tail for shown in masked.feed(line)]
            found += masked.flush()
        return found

    def _take(self, speaker: int, line: str) -> None:
        self._tails[speaker].append(line)
        self.transcript += self._masked.feed(led(f"[{speaker}] ", led("db | ", line)))


def test_a_secret_cut_in_two_is_masked_although_others_speak_between_its_halves() -> None:
    for before in range(16_372, 16_385):
        room = Room([SECRET], speakers=2, tail=2)
        room.say(0, 0, f"{'x' * before}{SECRET} y".encode())
        room.say(1, 0, b"z\n")
        room.say(0, 1, b"z\n")
        room.say(0, 0, b"\n")
        room.end()
        for shown in (room.transcript, room.tails()):
            assert not any(part in line for line in shown for part in ("TOK", "OF-", "ANA"))
        assert any("[mask" in line for line in room.transcript)
        assert sorted(line[:9] for line in room.transcript) == ["[0] db | "] * 3 + ["[1] db | "]


def test_a_line_that_nobody_ends_is_shown() -> None:
    room = Room([SECRET], speakers=1, tail=1)
    room.say(0, 0, b"x" * 16_385)
    room.end()
    assert room.transcript == [f"[0] db | {'x' * 16_384}", "[0] db | x"]
    masked = MaskedLines()
    first = next(Lines().feed(b"x" * 16_385))
    assert [*masked.feed(first), *masked.flush()] == [first]


@pytest.mark.parametrize(
    ("secrets", "said"),
    [(["AAAA"], "AAAA" * 2), (["ABCD", "CDEA"], "ABCDEA"), (["ABCDABCD"], "ABCDABCDABCD")],
)
def test_a_value_that_begins_in_the_end_of_another_is_masked_across_a_cut(secrets: list[str], said: str) -> None:
    for before in range(16_384 - len(said), 16_385):
        room = Room(secrets, speakers=1, tail=2)
        room.say(0, 0, f"{'x' * before}{said}\n".encode())
        room.end()
        assert not any(set("ABCDE") & set(line) for line in (*room.transcript, *room.tails()))


def test_a_value_that_is_longer_than_two_pieces_is_masked_in_all_of_them() -> None:
    secret = "".join(f"{number:05d}" for number in range(8_000))
    room = Room([secret], speakers=1, tail=5)
    room.say(0, 0, f"xyz {secret} z\n".encode())
    room.end()
    for shown in (room.transcript, room.tails()):
        assert len(shown) == 3 and not any(char.isdigit() for line in shown for char in line.removeprefix("[0] db | "))


@given(secrets_, st.integers(1, 3), st.integers(1, 6), st.data())
@settings(max_examples=150, deadline=None)
def test_nothing_of_a_value_is_left_whoever_speaks_in_between(
    secrets: list[str], speakers: int, tail: int, data: st.DataObject
) -> None:
    room = Room(secrets, speakers, tail)
    who = st.tuples(st.integers(0, speakers - 1), st.integers(0, 1))
    parts = st.one_of(st.sampled_from(secrets), st.text("xyzé…", max_size=40), st.just("\n"))
    said = {key: "".join(data.draw(st.lists(parts, max_size=20))).encode() for key in data.draw(st.sets(who))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "LONGEST_LINE", 24)
        while said:
            key = data.draw(st.sampled_from(sorted(said)))
            size = data.draw(st.integers(1, 60))
            chunk, rest = said[key][:size], said[key][size:]
            room.say(*key, chunk)
            said = {**said, key: rest} if rest else {one: left for one, left in said.items() if one != key}
        room.end()
    for line in (*room.transcript, *room.tails()):
        assert not set("ABCDE") & set(line), line


@given(secrets_, st.integers(0, 40), st.integers(1, 40))
@settings(max_examples=150, deadline=None)
def test_nothing_of_a_value_is_left_where_a_text_is_cut(secrets: list[str], before: int, most: int) -> None:
    mask = Mask()
    mask.hide(secrets)
    found = mask.cut(f"{'x' * before}{'y'.join(secrets)}{'z' * 40}", most)
    assert not set("ABCDE") & set(found)
    assert len(found) <= most
    assert mask.cut("xyz", most) == "xyz"[:most]
    assert mask.cut(secrets[0], 100) == MASK
