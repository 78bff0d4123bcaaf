"""Group commit without a database: who leads, who waits, and who fails alone."""

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from pipeline.errors import Unavailable
from store.together import Together


class Ledger:
    """What is carried out, group by group; the first group waits until it is let go."""

    def __init__(self, *, bad: frozenset[int] = frozenset(), down: bool = False) -> None:
        self.groups: list[tuple[int, ...]] = []
        self.bad, self.down = bad, down
        self.go = threading.Event()

    def do(self, works: Sequence[int]) -> list[int]:
        self.groups.append(tuple(works))
        if len(self.groups) == 1:
            assert self.go.wait(10)
        if self.down:
            raise Unavailable("the database does not answer", code="database_unavailable")
        if self.bad.intersection(works):
            raise ValueError(works)
        return [work * 10 for work in works]


def crowd(together: Together[int, int], ledger: Ledger, numbers: Sequence[int]) -> list[int | Exception]:
    """Have the first number lead, the others line up behind it, and return what each was told."""

    def ask(number: int) -> int | Exception:
        try:
            return together(number)
        except Exception as fault:
            return fault

    with ThreadPoolExecutor(len(numbers)) as pool:
        first = pool.submit(ask, numbers[0])
        until(lambda: bool(ledger.groups))
        others = [pool.submit(ask, number) for number in numbers[1:]]
        until(lambda: len(together._waiting) == len(others))
        ledger.go.set()
        return [one.result(10) for one in (first, *others)]


def until(true: "object") -> None:
    end = time.monotonic() + 10
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.001)


def test_those_who_come_while_one_is_at_it_are_done_in_one_go() -> None:
    ledger = Ledger()
    assert crowd(Together(ledger.do), ledger, range(1, 9)) == [10 * number for number in range(1, 9)]
    assert [len(group) for group in ledger.groups] == [1, 7]


def test_a_group_is_bounded_and_the_next_in_line_leads_the_rest() -> None:
    ledger = Ledger()
    together = Together(ledger.do, most=4, weight=lambda number: 3 if number == 2 else 1)
    assert crowd(together, ledger, range(1, 9)) == [10 * number for number in range(1, 9)]
    assert all(sum(3 if number == 2 else 1 for number in group) <= 4 for group in ledger.groups)


def test_one_that_weighs_more_than_a_group_is_a_group_of_its_own() -> None:
    ledger = Ledger()
    assert crowd(Together(ledger.do, most=2, weight=lambda _number: 5), ledger, [1, 2]) == [10, 20]
    assert ledger.groups == [(1,), (2,)]


def test_a_work_that_cannot_be_done_fails_alone() -> None:
    ledger = Ledger(bad=frozenset({3}))
    found = crowd(Together(ledger.do), ledger, [1, 2, 3, 4])
    assert [one for one in found if isinstance(one, int)] == [10, 20, 40]
    assert [type(one) for one in found if not isinstance(one, int)] == [ValueError]


def test_when_the_database_is_down_it_is_asked_once_for_all_and_everybody_hears_of_it() -> None:
    ledger = Ledger(down=True)
    found = crowd(Together(ledger.do), ledger, [1, 2, 3])
    assert [one.code for one in found if isinstance(one, Unavailable)] == ["database_unavailable"] * 3
    assert len({id(one) for one in found}) == 3
    assert len(ledger.groups) == 2


def test_nobody_waits_for_ever_and_whoever_left_is_not_handed_the_lead() -> None:
    ledger = Ledger()
    together = Together(ledger.do, patience=0.05)
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(together, 1)
        until(lambda: bool(ledger.groups))
        with pytest.raises(Unavailable) as fault:
            together(2)
        ledger.go.set()
        assert leader.result(10) == 10
    assert fault.value.code == "busy"
    assert together(3) == 30
    assert ledger.groups == [(1,), (3,)]


def test_a_leader_that_is_killed_while_its_group_gathers_leaves_the_lead_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        """What a greenlet is killed with."""

    def killed(_seconds: float) -> None:
        raise Killed

    ledger = Ledger()
    ledger.go.set()
    together = Together(ledger.do, patience=0.05)
    with monkeypatch.context() as patch:
        patch.setattr("store.together.time", SimpleNamespace(sleep=killed))
        with pytest.raises(Killed):
            together(1)
    assert [together(2), together(3)] == [20, 30]
    assert ledger.groups == [(2,), (3,)]


def test_a_child_forked_in_the_middle_of_a_group_leads_its_own() -> None:
    ledger = Ledger()
    together = Together(ledger.do)
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(together, 1)
        until(lambda: bool(ledger.groups))
        child = os.fork()
        if child == 0:
            os._exit(0 if together(2) == 20 else 1)
        _, status = os.waitpid(child, 0)
        ledger.go.set()
        assert leader.result(10) == 10
    assert status == 0
