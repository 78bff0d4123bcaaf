"""Half-remembered names."""

import pytest

from pipeline.errors import NotFound
from pipeline.nearest import choose, missing

PLACES = ("ci", "staging", "production")


def test_a_whole_name_is_itself_without_an_echo() -> None:
    assert (choose("staging", PLACES, "environment").name, choose("staging", PLACES, "environment").echo) == (
        "staging",
        "",
    )


def test_three_letters_that_fit_one_name_are_enough_and_echoed() -> None:
    assert choose("pro", PLACES, "environment").echo == "`pro` as production"


@pytest.mark.parametrize("word", ["pr", "c", "", "stagin"])
def test_fewer_letters_are_not_enough(word: str) -> None:
    with pytest.raises(NotFound):
        choose(word, PLACES, "environment")


def test_letters_that_fit_two_names_are_asked_about() -> None:
    with pytest.raises(NotFound, match="may be `staging-a` or `staging-b`"):
        choose("sta", ["staging-a", "staging-b"], "environment")


def test_a_typing_mistake_is_met_with_what_was_meant_and_what_there_is() -> None:
    assert (
        missing("stagin", PLACES, "environment")
        == "No environment `stagin`. Did you mean `staging`? There are: ci, staging, production."
    )


def test_a_huge_word_is_cut() -> None:
    assert len(missing("x" * 100_000, PLACES, "environment")) < 200
