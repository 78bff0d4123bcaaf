"""What editors are told of slipway.yml and what the loader takes are the same thing."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.compose_schema import native
from pipeline.spec import SpecProblems, load, schema
from pipeline.spec_load import read
from pipeline.spec_model import PARTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "slipway-yml.md").read_text()
EXAMPLE: dict[str, Any] = native(
    read(PAGE.split("## An example with every key")[1].split("```yaml\n")[1].split("```")[0].encode()).value
)
EDITOR = Draft202012Validator(schema())
WRONG: tuple[Any, ...] = ([[[]]], {"a": {"b": []}}, [{"a": 1}])


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield every place of a configuration, the outer ones first."""
    if place:
        yield place
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from places(item, (*place, key))


def keys_of_parts() -> Iterator[tuple[Any, ...]]:
    """Yield the place of every key that belongs to a part, not to a mapping of names that people choose."""
    for place in places(EXAMPLE):
        holder = tuple("#" if isinstance(step, int) else step for step in place[:-1])
        if holder[:1] in {("services",), ("stages",), ("environments",)} and len(holder) > 1:
            holder = (holder[0], "*", *holder[2:])
        if holder in PARTS and isinstance(place[-1], str):
            yield place


def at(value: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        value = value[step]
    return value


def takes(value: Any) -> tuple[bool, bool]:
    """Tell whether an editor and the loader take a configuration."""
    try:
        load({"slipway.yml": json.dumps(value).encode()}, project="shop")
    except SpecProblems:
        return EDITOR.is_valid(value), False
    return EDITOR.is_valid(value), True


def test_both_take_the_whole_example() -> None:
    assert takes(EXAMPLE) == (True, True)


@given(st.sampled_from(list(keys_of_parts())))
@settings(max_examples=30, deadline=None)
def test_neither_takes_a_key_that_is_misspelt(place: tuple[Any, ...]) -> None:
    value = copy.deepcopy(EXAMPLE)
    holder = at(value, place[:-1])
    holder[f"{place[-1]}zz"] = holder.pop(place[-1])
    assert takes(value) == (False, False)


@given(st.sampled_from(list(places(EXAMPLE))), st.sampled_from(WRONG))
@settings(max_examples=40, deadline=None)
def test_neither_takes_a_value_of_another_kind(place: tuple[Any, ...], wrong: Any) -> None:
    value = copy.deepcopy(EXAMPLE)
    at(value, place[:-1])[place[-1]] = wrong
    assert takes(value) == (False, False)


@given(st.sampled_from([place for place in keys_of_parts() if len(place) > 2]))
@settings(max_examples=30, deadline=None)
def test_an_editor_takes_whatever_the_loader_takes(place: tuple[Any, ...]) -> None:
    value = copy.deepcopy(EXAMPLE)
    del at(value, place[:-1])[place[-1]]
    editor, loader = takes(value)
    assert editor or not loader
