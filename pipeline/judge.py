"""What a stage's tests mean beside what earlier runs said: new, known or flaky, and the sentence for people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.junit import Case, Verdict
from pipeline.names import run_name

Key = tuple[str, str]
NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """What is known of a stage's tests: `since` is the run to compare with, `failed` what failed there or on the
    default branch; `failed_here` and `passed_here` how they ended in the very same image."""

    since: int | None = None
    failed: frozenset[Key] = frozenset()
    failed_here: frozenset[Key] = frozenset()
    passed_here: frozenset[Key] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A test and what to think of how it ended."""

    case: Case
    flaky: bool
    new: bool


def judge(cases: Iterable[Case], past: Past) -> tuple[Judged, ...]:
    """Return each test with what the past says of it, the failing ones first, of those the new ones."""
    judged = [_judge(case, past) for case in cases]
    return tuple(sorted(judged, key=lambda one: (not one.case.state.bad, not one.new)))


def said_of(judged: Sequence[Judged], past: Past) -> str:
    """Return the sentence that sums up a stage's tests: how many, and the names of those that failed."""
    bad = [one for one in judged if one.case.state.bad]
    flaky = [one for one in judged if one.flaky and not one.case.state.bad]
    skipped = sum(one.case.state is Verdict.SKIPPED for one in judged)
    counts = [
        (len(judged) - len(bad) - len(flaky) - skipped, "passed"),
        (len(flaky), "flaky"),
        (skipped, "skipped"),
        (len(bad), "failed"),
    ]
    said = ", ".join(f"{count} {word}" for count, word in counts if count) or "no tests"
    return f"{said}: {_names(bad, past)}" if bad else said


def lines_of(judged: Sequence[Judged], past: Past, most: int = 10) -> tuple[str, ...]:
    """Return a line for each failing test, with the first line of why."""
    bad = [one for one in judged if one.case.state.bad]
    lines = [f"✗ {_full(one.case)}{_mark(one, past)}{_why(one.case)}" for one in bad[:most]]
    return (*lines, f"… and {len(bad) - most} more") if len(bad) > most else tuple(lines)


def _judge(case: Case, past: Past) -> Judged:
    other = past.passed_here if case.state.bad else past.failed_here
    flaky = case.flaky or (case.state is not Verdict.SKIPPED and case.key in other)
    return Judged(case=case, flaky=flaky, new=case.state.bad and case.key not in past.failed)


def _names(bad: Sequence[Judged], past: Past) -> str:
    named = [f"{one.case.name}{_mark(one, past)}" for one in bad[:NAMED]]
    return ", ".join(named) + (f" and {len(bad) - NAMED} more" if len(bad) > NAMED else "")


def _mark(one: Judged, past: Past) -> str:
    if one.flaky:
        return " (flaky)"
    if one.new and past.since is not None:
        return f" (new since {run_name(past.since)})"
    return ""


def _full(case: Case) -> str:
    return f"{case.suite} › {case.name}" if case.suite else case.name


def _why(case: Case) -> str:
    first = case.message.strip().partition("\n")[0].strip()
    return f": {first[:200]}" if first else ""
