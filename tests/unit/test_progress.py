from datetime import UTC, datetime, timedelta

import pytest

from pipeline.progress import Going, by_stage, in_words, left_of, seconds_left, usual

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def going(name: str, *needs: str, usual: float | None = None, ran: float | None = None, ended: bool = False) -> Going:
    began = None if ran is None else NOW - timedelta(seconds=ran)
    return Going(name=name, needs=needs, ended=ended, started_at=began, usual=usual)


def test_what_is_usual_is_the_median_of_the_last_twenty() -> None:
    assert usual([]) is None
    assert usual([3, 1, 2]) == 2
    assert usual([1] * 20 + [1_000] * 50) == 1
    assert by_stage([("unit", "test", 3.0), ("unit", "test", 5.0), ("unit", "task", 9.0)]) == {
        ("unit", "test"): 4.0,
        ("unit", "task"): 9.0,
    }


def test_the_longest_way_through_the_graph_is_what_is_left() -> None:
    stages = (
        going("build", usual=60, ran=50),
        going("unit", "build", usual=30),
        going("live", "build", usual=100),
        going("stage", "unit", "live", usual=5),
    )
    assert seconds_left(stages, NOW) == 10 + 100 + 5


def test_what_is_over_takes_no_more_time_and_what_is_late_takes_none() -> None:
    stages = (going("build", ended=True), going("unit", "build", usual=30, ran=90), going("x", "unit", usual=7))
    assert seconds_left(stages, NOW) == 7


def test_of_what_was_never_done_nothing_is_said() -> None:
    assert seconds_left((going("build", ran=5),), NOW) is None
    assert seconds_left((going("build", usual=5, ended=True),), NOW) is None


def test_a_run_that_is_over_or_has_not_begun_has_no_time_left() -> None:
    stage = {"name": "unit", "needs": [], "state": "running", "started_at": NOW.isoformat(), "expected_seconds": 9.0}
    run = {"started_at": NOW.isoformat(), "finished_at": None, "stages": [stage]}
    assert left_of(run, NOW + timedelta(seconds=4)) == 5
    assert left_of(run | {"finished_at": NOW.isoformat()}, NOW) is None
    assert left_of(run | {"started_at": None}, NOW) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "any moment now"),
        (11, "about 10 s left"),
        (54, "about 55 s left"),
        (59, "about 1 min left"),
        (130, "about 2 min left"),
        (9_000, "about 2 h left"),
    ],
)
def test_time_left_is_said_no_better_than_it_is_known(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
