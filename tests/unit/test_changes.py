"""What a change touches, and what a push that touches nothing of interest is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.changes import Paths, nothing_to_do, recipe

PATHS = st.lists(st.text(alphabet="ab/.", min_size=1, max_size=8), max_size=6)
PATTERNS = st.lists(st.text(alphabet="ab/*?", min_size=1, max_size=8), max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("only", "ignore", "path", "counts"),
    [
        (None, (), "anything", True),
        (("web/**",), (), "web/index.html", True),
        (("web/**",), (), "api/app.py", False),
        (("web/**", "lib/**"), (), "lib/a", True),
        (("web/**",), ("**/*.md",), "web/README.md", False),
        (None, ("docs/**", "**/*.md"), "README.md", False),
        (None, ("docs/**",), "documents", True),
    ],
)
def test_a_path_counts_if_it_is_named_and_not_ignored(
    only: tuple[str, ...] | None, ignore: tuple[str, ...], path: str, counts: bool
) -> None:
    assert Paths(only=only, ignore=ignore).count(path) is counts


def test_an_unknown_difference_touches_everything() -> None:
    assert Paths(only=("web/**",), ignore=("**",)).touched_by(None)
    assert nothing_to_do(Paths(ignore=("**",)), None) == ""


def test_an_empty_commit_touches_no_service_and_still_runs() -> None:
    assert not Paths(only=("**",)).touched_by([])
    assert nothing_to_do(Paths(only=("web/**",)), []) == ""


@pytest.mark.parametrize(
    ("only", "ignore", "changed", "sentence"),
    [
        (None, ("docs/**", "**/*.md"), ["docs/a", "docs/b"], "nothing to do: only docs/** changed"),
        (None, ("docs/**", "**/*.md"), ["docs/a", "README.md"], "nothing to do: only docs/** and **/*.md changed"),
        (("web/**",), (), ["api/a"], "nothing to do: only api/a changed"),
        (("web/**",), (), ["a", "b", "c"], "nothing to do: only a, b and c changed"),
        (("web/**",), (), list("abcde"), "nothing to do: only a, b, c and 2 more changed"),
        (("web/**",), ("**/*.md",), ["web/a.md", "api/b"], "nothing to do: only web/a.md and api/b changed"),
        (("web/**",), (), ["bell\x07"], "nothing to do: only bell� changed"),
        (None, ("docs/**",), ["docs/a", "app.py"], ""),
        (("web/**",), (), ["web/a", "api/b"], ""),
    ],
)
def test_a_push_that_changed_nothing_of_interest_says_what_it_changed(
    only: tuple[str, ...] | None, ignore: tuple[str, ...], changed: list[str], sentence: str
) -> None:
    assert nothing_to_do(Paths(only=only, ignore=ignore), changed) == sentence


@given(st.one_of(st.none(), PATTERNS), PATTERNS, PATHS)
def test_a_run_is_needless_exactly_if_something_changed_and_nothing_of_it_counts(
    only: tuple[str, ...] | None, ignore: tuple[str, ...], changed: list[str]
) -> None:
    paths = Paths(only=only, ignore=ignore)
    needless = bool(changed) and not any(paths.count(path) for path in changed)
    assert bool(nothing_to_do(paths, changed)) is needless


@given(st.one_of(st.none(), PATTERNS), PATTERNS, PATHS, PATHS)
def test_more_changes_never_touch_less(
    only: tuple[str, ...] | None, ignore: tuple[str, ...], some: list[str], more: list[str]
) -> None:
    paths = Paths(only=only, ignore=ignore)
    assert paths.touched_by(some + more) >= paths.touched_by(some)
    assert paths.touched_by(some + more) == (paths.touched_by(some) or paths.touched_by(more))


@given(PATTERNS, PATHS)
def test_what_is_ignored_never_counts_whatever_else_names_it(ignore: tuple[str, ...], changed: list[str]) -> None:
    assert not Paths(only=("**",), ignore=(*ignore, "**")).touched_by(changed)


def test_every_part_of_a_service_and_its_dockerfile_are_in_its_recipe() -> None:
    service = {"build": {"context": "web", "args": {"A": "1"}}, "port": 80}
    one = recipe(service, b"FROM scratch")
    assert recipe({"port": 80, "build": {"args": {"A": "1"}, "context": "web"}}, b"FROM scratch") == one
    others = [
        recipe(service, b"FROM scratch\n"),
        recipe(service | {"port": 81}, b"FROM scratch"),
        recipe(service | {"build": {"context": "web", "args": {"A": "2"}}}, b"FROM scratch"),
    ]
    assert one not in others and len(set(others)) == 3
