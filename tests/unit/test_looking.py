from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.looking import GONE, SECOND_LOOK, Known, Look, all_gone, back_off, compare
from pipeline.ports import Tip
from pipeline.push import Push, Tag

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
MAIN, V1 = "refs/heads/main", "refs/tags/v1"
A, B, C = "a" * 40, "b" * 40, "c" * 40
ZERO = "0" * 40


def known(revision: str, candidate: str = "", ago: timedelta = SECOND_LOOK) -> Known:
    return Known(revision=revision, candidate=candidate, seen_at=NOW - ago)


def tip(revision: str, commit: str = "") -> Tip:
    return Tip(revision=revision, commit=commit or revision)


def seen(tips: dict[str, Tip], before: dict[str, Known], after: timedelta = timedelta()) -> Look:
    """Return what a look every 100 seconds finds now."""
    return compare(tips, before, NOW + after, every=100.0)


def test_what_was_told_is_no_news() -> None:
    assert seen({MAIN: tip(A)}, {MAIN: known(A)}) == Look(noted={})


@pytest.mark.parametrize("told", [B, C])
def test_an_annotated_tag_is_told_by_its_object_or_by_its_commit(told: str) -> None:
    assert seen({V1: tip(B, commit=C)}, {V1: known(told)}) == Look(noted={})


@pytest.mark.parametrize("before", [{}, {MAIN: known(A)}, {MAIN: known(A, GONE)}])
def test_news_is_noted_first(before: dict[str, Known]) -> None:
    look = seen({MAIN: tip(B)}, before)
    assert look == Look(noted={MAIN: B})
    assert look.again


def test_news_that_is_young_waits() -> None:
    look = seen({MAIN: tip(B)}, {MAIN: known(A, B, SECOND_LOOK / 2)})
    assert look == Look(noted={}, waiting=(MAIN,))
    assert look.again


def test_news_that_a_second_look_finds_is_sure() -> None:
    heads = {MAIN: known(A, B), V1: known("", C), "refs/heads/new": known("", A)}
    tips = {MAIN: tip(B), V1: tip(C), "refs/heads/new": tip(A)}
    look = seen(tips, heads)
    assert look.sure == (
        Push(ref=MAIN, before=A, after=B),
        Push(ref="refs/heads/new", before=ZERO, after=A),
        Tag(ref=V1, before=ZERO, after=C),
    )
    assert not look.again


def test_a_ref_that_moves_on_between_two_looks_is_news_since_the_first() -> None:
    assert seen({MAIN: tip(C)}, {MAIN: known(A, B)}).sure == (Push(ref=MAIN, before=A, after=C),)
    assert seen({MAIN: tip(C)}, {MAIN: known(A, B, SECOND_LOOK / 2)}) == Look(noted={}, waiting=(MAIN,))
    assert seen({}, {MAIN: known(A, B)}) == Look(noted={MAIN: GONE}), "that it is gone nobody has seen yet"


def test_a_ref_that_never_stands_still_is_found_all_the_same() -> None:
    before, found = known(A), 0
    for number in range(1, 100):
        tips = {MAIN: tip(f"{number:040x}")}
        look = seen(tips, {MAIN: before}, timedelta(seconds=11 * number))
        if look.noted:
            before = Known(revision=A, candidate=look.noted[MAIN], seen_at=NOW + timedelta(seconds=11 * number))
        found += len(look.sure)
        if look.sure:
            before = known(tips[MAIN].revision)
    assert found >= 33


@pytest.mark.parametrize(("there", "gone", "believed"), [(20, 20, True), (21, 10, True), (21, 11, False)])
def test_many_refs_that_vanish_at_once_are_looked_at_a_third_time(there: int, gone: int, believed: bool) -> None:
    before = {f"refs/heads/{number}": known(A, GONE if number < gone else "") for number in range(there)}
    tips = {ref: tip(A) for ref, one in before.items() if not one.candidate}
    look = seen(tips, before)
    assert (len(look.sure), len(look.doubted)) == ((gone, 0) if believed else (0, gone))
    assert not look.again
    assert len(seen(tips, before, timedelta(seconds=60)).sure) == (gone if believed else 0)
    assert len(seen(tips, before, timedelta(seconds=70)).sure) == gone


def test_a_listing_without_any_ref_is_no_answer_where_there_were_some() -> None:
    assert all_gone({}, {MAIN: known(A)})
    assert not all_gone({}, {}) and not all_gone({}, {MAIN: known("", A)}) and not all_gone({MAIN: tip(A)}, {})


def test_a_ref_that_is_gone_is_news_too() -> None:
    assert seen({}, {MAIN: known(A)}).noted == {MAIN: GONE}
    assert seen({}, {MAIN: known(A, GONE)}).sure == (Push(ref=MAIN, before=A, after=ZERO),)
    assert seen({MAIN: tip(A)}, {MAIN: known(A, GONE)}).settled == (MAIN,)


def test_a_ref_that_came_and_went_untold_leaves_nothing() -> None:
    assert seen({}, {MAIN: known("", A)}) == Look(noted={}, vanished=(MAIN,))


def test_news_that_a_webhook_told_meanwhile_is_settled() -> None:
    assert seen({MAIN: tip(B)}, {MAIN: known(B, B)}).settled == (MAIN,)


def test_an_object_name_of_sha256_is_as_long_in_what_is_told() -> None:
    long = "d" * 64
    assert seen({MAIN: tip(long)}, {MAIN: known("", long)}).sure[0].before == "0" * 64
    assert seen({}, {MAIN: known(long, GONE)}).sure[0].after == "0" * 64


refs = st.sampled_from([MAIN, V1, "refs/heads/x"])
objects = st.sampled_from([A, B, C])
heads = st.builds(
    Known,
    revision=st.sampled_from(["", A, B]),
    candidate=st.sampled_from(["", A, B, GONE]),
    seen_at=st.sampled_from([NOW, NOW - SECOND_LOOK]),
)


@given(st.dictionaries(refs, st.builds(Tip, revision=objects, commit=objects)), st.dictionaries(refs, heads))
def test_nothing_is_told_at_first_sight_or_twice_and_nothing_is_left_out(
    tips: dict[str, Tip], before: dict[str, Known]
) -> None:
    look = seen(tips, before)
    sure = {push.ref for push in look.sure}
    assert all(before[ref].candidate for ref in sure)
    for ref in tips.keys() | before.keys():
        same = ref in tips and ref in before and before[ref].revision in {tips[ref].revision, tips[ref].commit}
        never = ref not in tips and not before[ref].revision
        places = [ref in look.noted, ref in look.waiting, ref in look.doubted, ref in sure]
        assert sum(places) == (0 if same or never else 1)


@pytest.mark.parametrize(
    ("failures", "every", "expected"),
    [(1, 180, 360), (2, 180, 720), (4, 180, 1800), (900, 180, 1800), (1, 7200, 7200), (2, 10, 40)],
)
def test_a_host_that_fails_is_left_alone_twice_as_long_each_time(failures: int, every: float, expected: float) -> None:
    for project in range(20):
        assert 0.8 * expected <= back_off(project, failures, every) <= 1.2 * expected
