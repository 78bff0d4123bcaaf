"""When what comes again and again is due."""

from datetime import UTC, datetime

import pytest

from pipeline.schedules import key_of, next_due


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("cron", "after", "due"),
    [
        ("0 3 * * *", "2026-11-21T02:59:59", "2026-11-21T03:00:00"),
        ("0 3 * * *", "2026-11-21T03:00:00", "2026-11-22T03:00:00"),
        ("*/15 * * * 1-5", "2026-11-20T23:50:00", "2026-11-23T00:00:00"),
        ("0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
        ("30 2 * * *", "2026-03-29T01:00:00", "2026-03-29T02:30:00"),
    ],
)
def test_the_next_time_is_after_the_last_and_in_utc(cron: str, after: str, due: str) -> None:
    assert next_due(cron, seconds(after)) == seconds(due)


def test_schedules_differ_by_all_that_they_say() -> None:
    said: list[tuple[str, str, list[str] | None]] = [
        ("0 3 * * *", "", None),
        ("0 3 * * *", "main", None),
        ("0 3 * * *", "", []),
        ("0 4 * * *", "", None),
    ]
    assert len({key_of(*one) for one in said}) == len(said)
