"""What a stage's tests mean beside what earlier runs said: new, known or flaky, and the sentence for people."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from pipeline.junit import Case, Verdict, merge
from pipeline.names import run_name

Key = tuple[str, str]
NAMED = 5
NOWHERE: Mapping[Key, int] = MappingProxyType({})


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
    """A test and what to think of how it ended; in how many `shards` it failed."""

    case: Case
    flaky: bool
    new: bool
    shards: int = 0


def once(said: Mapping[int, Iterable[Case]]) -> dict[int, tuple[Case, ...]]:
    """Return each test that shards tell of once, with the first that says the worst of it: that counts."""
    together = {case.key: case for case in merge([case for cases in said.values() for case in cases])}
    told = ((case, shard) for shard, cases in said.items() for case in cases)
    where: dict[Key, int] = {}
    for case, shard in told:
        if case.state is together[case.key].state:
            where.setdefault(case.key, shard)
    found: dict[int, list[Case]] = {shard: [] for shard in said}
    for key, shard in where.items():
        found[shard].append(together[key])
    return {shard: tuple(cases) for shard, cases in found.items()}


def failing_in(said: Mapping[int, Iterable[Case]]) -> Counter[Key]:
    """Return in how many shards each test failed."""
    return Counter(key for cases in said.values() for key in {case.key for case in cases if case.state.bad})


def judge(cases: Iterable[Case], past: Past, failing: Mapping[Key, int] = NOWHERE) -> tuple[Judged, ...]:
    """Return each test with what the past says of it, the failing ones first, of those the new ones.

    `failing` says in how many shards each failed.
    """
    judged = [replace(_judge(case, past), shards=failing.get(case.key, 0)) for case in cases]
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
    lines = [f"✗ {_full(one.case)}{_mark(one, past)}{_shards(one)}{_why(one.case)}" for one in bad[:most]]
    return (*lines, f"… and {len(bad) - most} more") if len(bad) > most else tuple(lines)


def _judge(case: Case, past: Past) -> Judged:
    other = past.passed_here if case.state.bad else past.failed_here
    flaky = case.flaky or (case.state is not Verdict.SKIPPED and case.key in other)
    return Judged(case=case, flaky=flaky, new=case.state.bad and case.key not in past.failed)


def _names(bad: Sequence[Judged], past: Past, repeated: frozenset[str]) -> str:
    named = [
        f"{_full(one.case) if one.case.name in repeated else one.case.name}{_mark(one, past)}{_shards(one)}"
        for one in bad[:NAMED]
    ]
    return ", ".join(named) + (f" and {len(bad) - NAMED} more" if len(bad) > NAMED else "")


def _repeated(judged: Iterable[Judged]) -> frozenset[str]:
    """Return the names that several suites have a test of: alone they would not say which is meant."""
    count = Counter(name for _suite, name in {one.case.key for one in judged})
    return frozenset(name for name, suites in count.items() if suites > 1)


def _shards(one: Judged) -> str:
    return f" (in {one.shards} shards)" if one.shards > 1 else ""


def _mark(one: Judged, past: Past) -> str:
    if one.new and past.since is not None:
        return f" (new since {run_name(past.since)})"
    return " (flaky)" if one.flaky else ""


def _full(case: Case) -> str:
    return f"{case.suite} › {case.name}" if case.suite else case.name


def _why(case: Case) -> str:
    first = case.message.strip().partition("\n")[0].strip()
    return f": {first[:200]}" if first else ""
