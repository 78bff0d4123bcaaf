"""What a stage's tests mean beside what earlier runs said: new, known or flaky, and the sentence for people."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.junit import Case, Verdict
from pipeline.names import run_name

Key = tuple[str, str]
NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """What is known of a stage's tests: `since` is the run to compare with, `failed` what failed there or on the
    default branch; `failed_here` and `passed_here` how they ended on the very same commit, in the same image."""

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
    return f"{said}: {_names(bad, past, _repeated(judged))}" if bad else said


def lines_of(judged: Sequence[Judged], past: Past, most: int = 10) -> tuple[str, ...]:
    """Return a line for each failing test, with the first line of why."""
    bad = [one for one in judged if one.case.state.bad]
    once = _once(bad)
    lines = [f"✗ {_full(one.case)}{_mark(one, past)}{shards}{_why(one.case)}" for one, shards in once[:most]]
    return (*lines, f"… and {len(once) - most} more") if len(once) > most else tuple(lines)


def _judge(case: Case, past: Past) -> Judged:
    other = past.passed_here if case.state.bad else past.failed_here
    flaky = case.flaky or (case.state is not Verdict.SKIPPED and case.key in other)
    return Judged(case=case, flaky=flaky, new=case.state.bad and case.key not in past.failed)


def _names(bad: Sequence[Judged], past: Past, repeated: frozenset[str]) -> str:
    once = _once(bad)
    named = [
        f"{_full(one.case) if one.case.name in repeated else one.case.name}{_mark(one, past)}{shards}"
        for one, shards in once[:NAMED]
    ]
    return ", ".join(named) + (f" and {len(once) - NAMED} more" if len(once) > NAMED else "")


def _repeated(judged: Iterable[Judged]) -> frozenset[str]:
    """Return the names that several suites have a test of: alone they would not say which is meant."""
    count = Counter(name for _suite, name in {one.case.key for one in judged})
    return frozenset(name for name, suites in count.items() if suites > 1)


def _once(bad: Iterable[Judged]) -> list[tuple[Judged, str]]:
    """Return each test once, with in how many shards if it failed in several."""
    first: dict[Key, Judged] = {}
    shards: Counter[Key] = Counter()
    for one in bad:
        first.setdefault(one.case.key, one)
        shards[one.case.key] += 1
    return [(one, f" (in {shards[key]} shards)" if shards[key] > 1 else "") for key, one in first.items()]


def _mark(one: Judged, past: Past) -> str:
    if one.new and past.since is not None:
        return f" (new since {run_name(past.since)})"
    return " (flaky)" if one.flaky else ""


def _full(case: Case) -> str:
    return f"{case.suite} › {case.name}" if case.suite else case.name


def _why(case: Case) -> str:
    first = case.message.strip().partition("\n")[0].strip()
    return f": {first[:200]}" if first else ""
