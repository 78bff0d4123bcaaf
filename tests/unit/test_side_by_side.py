"""Several services at a time: what is said, what stops, and what it comes to."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.errors import Cancelled, SlipwayError, StageFailed, Unavailable
from pipeline.masking import MaskedLines
from runtime.lines import Lines
from workers.side_by_side import Say, Stop, side_by_side
from workers.stage import Scene


def scene(lines: list[str]) -> Scene:
    ctx = SimpleNamespace(stopping=threading.Event())
    said = SimpleNamespace(write=lines.append)
    return cast(Scene, SimpleNamespace(ctx=ctx, transcript=said, progress=lambda _text: None))


def test_each_line_says_whose_it_is_unless_there_is_but_one() -> None:
    lines: list[str] = []

    def work(name: str, say: Say, _stop: Stop) -> str:
        say("a line")
        return f"{name} done"

    assert side_by_side(scene(lines), ["web", "api"], work, at_once=2) == {"web": "web done", "api": "api done"}
    assert sorted(lines) == ["api │ a line", "web │ a line"]
    lines.clear()
    side_by_side(scene(lines), ["web"], work, at_once=2)
    assert lines == ["a line"]


def test_a_line_cut_in_two_is_known_as_such_under_its_services_name() -> None:
    lines: list[str] = []

    def work(_name: str, say: Say, _stop: Stop) -> str:
        for line in Lines().feed(f"{'x' * 16_383}token-1\n".encode()):
            say(line)
        return ""

    side_by_side(scene(lines), ["web", "api"], work, at_once=2)
    masked = MaskedLines()
    masked.mask.hide(["token-1"])
    shown = "".join(line[6:] for one in sorted(lines, key=lambda line: line[:3]) for line in masked.feed(one))
    assert len(lines) == 4 and "oken-1" not in shown and shown.count("[masked]") == 4


def test_all_that_failed_are_named_and_what_was_not_begun_is_not() -> None:
    both, done = threading.Barrier(2, timeout=60), list[str]()

    def work(name: str, _say: Say, _stop: Stop) -> str:
        done.append(name)
        both.wait()
        raise StageFailed(f"{name} broke", code="build_failed", tail=(f"last of {name}",))

    with pytest.raises(StageFailed) as failed:
        side_by_side(scene([]), ["web", "api", "any"], work, at_once=2)
    assert failed.value.sentence == "web: web broke; api: api broke"
    assert (failed.value.code, failed.value.tail) == ("build_failed", ("last of web",))
    assert sorted(done) == ["api", "web"]


def test_the_first_fault_stops_those_that_are_under_way() -> None:
    begun = threading.Event()

    def work(name: str, _say: Say, stop: Stop) -> str:
        if name == "web":
            begun.wait(60)
            raise StageFailed("web broke")
        begun.set()
        while not stop():
            pass
        raise Cancelled

    with pytest.raises(StageFailed, match="web: web broke"):
        side_by_side(scene([]), ["web", "api"], work, at_once=2)


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        ({"web": Unavailable("away"), "api": StageFailed("broke")}, StageFailed),
        ({"web": Unavailable("away"), "api": Unavailable("away too")}, Unavailable),
    ],
)
def test_the_projects_fault_counts_before_ours(faults: dict[str, SlipwayError], kind: type[SlipwayError]) -> None:
    both = threading.Barrier(2, timeout=60)

    def work(name: str, _say: Say, _stop: Stop) -> str:
        both.wait()
        raise faults[name]

    with pytest.raises(kind):
        side_by_side(scene([]), ["web", "api"], work, at_once=2)


def test_a_run_that_is_called_off_is_cancelled() -> None:
    here: Any = scene([])

    def work(_name: str, _say: Say, _stop: Stop) -> str:
        here.ctx.stopping.set()
        raise Cancelled

    with pytest.raises(Cancelled):
        side_by_side(here, ["web", "api"], work, at_once=1)
