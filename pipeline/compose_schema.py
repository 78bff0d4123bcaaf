"""Compose files against the official schema of the Compose specification, its complaints in our words."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft7Validator, ValidationError
from jsonschema.exceptions import best_match

from pipeline.spec_load import Scalar
from pipeline.spec_words import Flaw, Place, near, show

KINDS = {
    "object": "keys and values",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


@cache
def official() -> Draft7Validator:
    """Return the specification's own schema."""
    return Draft7Validator(json.loads(files("pipeline").joinpath("data/compose-spec.json").read_text()))


def native(value: Any) -> Any:
    """Return a value as JSON has it: numbers, booleans and null where the file means them."""
    if isinstance(value, Mapping):
        return {key: native(item) for key, item in value.items()}
    if isinstance(value, list):
        return [native(item) for item in value]
    return _scalar(value) if isinstance(value, Scalar) else value


def _scalar(value: Scalar) -> Any:
    match value.kind:
        case "int":
            return int(value)
        case "float":
            return float(value)
        case "bool":
            return value.lower() == "true"
        case "null":
            return None
        case _:
            return str(value)


def check_schema(value: Any) -> Iterator[Flaw]:
    """Yield everything in which a Compose file is not one."""
    for error in official().iter_errors(native(value)):
        leaf = best_match([error]) or error
        yield from _flaws(error, leaf)


def _flaws(error: ValidationError, leaf: ValidationError) -> Iterator[Flaw]:
    place: Place = tuple(leaf.absolute_path)
    if leaf.validator == "additionalProperties" and isinstance(leaf.instance, dict):
        schema = leaf.schema if isinstance(leaf.schema, Mapping) else {}
        choices = list(schema.get("properties", {}))
        for key in leaf.instance:
            if key not in choices and not _patterned(key, schema):
                yield Flaw((*place, key), f"unknown key `{show(key)}`{near(key, choices, '`') if choices else ''}")
        return
    kinds = _kinds(error) if place == tuple(error.absolute_path) else _kinds(leaf)
    named = [step for step in place if isinstance(step, str)]
    key = f"`{show(named[-1])}`" if named else "the file"
    if kinds:
        yield Flaw(place, f"{key} takes {' or '.join(kinds)}, not {show(_said(leaf.instance))}")
    else:
        yield Flaw(place, f"{key} cannot be {show(_said(leaf.instance))}")


def _patterned(key: str, schema: Mapping[str, Any]) -> bool:
    # The one pattern that stands beside properties is that of keys that begin with x-, which are not here any more.
    return "patternProperties" in schema and "properties" not in schema and not key.startswith(" ")


def _kinds(error: ValidationError) -> list[str]:
    """Return the kinds of value that would do, if it is the kind that is wrong."""
    wrong = [error] if error.validator == "type" else list(error.context or ())
    here = [one for one in wrong if one.validator == "type" and one.absolute_path == error.absolute_path]
    if not here or len(here) != len(wrong):
        return []
    found = [kind for one in here for kind in _listed(one.validator_value)]
    return [KINDS[kind] for kind in dict.fromkeys(found) if kind in KINDS]


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _said(value: Any) -> Any:
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else value
