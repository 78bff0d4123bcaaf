"""The reference of slipway.yml, made from the model itself, so that the two cannot differ."""

import json
import re
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipeline.nearest import missing
from pipeline.spec_model import DAY, PARTS, Spec
from pipeline.spec_types import written
from pipeline.spec_words import Place

INDENT = " " * 17
DAYS = r"^\d+d$"
# What follows by itself where a file does not say it.
FOLLOWS = {
    "name": "default: the project's name",
    "branch": "default: the project's, else main",
    "compose": "default: the one at the root, if there is one",
    "services": "default: those of Compose, else the Dockerfile's",
    "stages": "default: build, tests if there are any, ci, staging",
    "environments": "default: ci, staging",
}


def chapters() -> dict[str, str]:
    """Return the reference by the place each part of it is about; the file's own keys are `slipway.yml`."""
    return {_title(place): "\n".join(_chapter(place, model)) for place, model in PARTS.items()}


def chapter(word: str) -> str:
    """Return what is said of a place and all inside it, such as services.build, or of every key of that name.

    Raises KeyError with a sentence.
    """
    every = chapters()
    plain = {title.replace(".NAME", "").replace("[]", ""): title for title in every}
    wanted = re.sub(r"\.NAME|\[\]", "", word)
    found = [title for key, title in plain.items() if key == wanted or key.startswith(f"{wanted}.")]
    if found:
        return "\n\n".join(every[title] for title in found)
    keys = list(_of_name(wanted.rsplit(".", 1)[-1], wanted))
    if not keys:
        raise KeyError(missing(word, [*plain, *_names()], "part or key"))
    return "\n\n".join(keys)


def _of_name(key: str, wanted: str) -> Iterator[str]:
    """Yield every key that is called so; `wanted` may say more of its place, as test.reports does."""
    for place, model in PARTS.items():
        title = _title(place) if place else ""
        whole = f"{title}.{key}".lstrip(".")
        if f".{whole.replace('.NAME', '').replace('[]', '')}".endswith(f".{wanted}"):
            yield from ("\n".join((whole, *lines)) for name, *lines in _keys(model) if name == key)


def _names() -> Iterator[str]:
    for model in PARTS.values():
        yield from (field.alias or name for name, field in model.model_fields.items())


def _title(place: Place) -> str:
    title = ".".join("NAME" if step == "*" else str(step) for step in place)
    return title.replace(".#", "[]") or "slipway.yml"


def _chapter(place: Place, model: type[BaseModel]) -> Iterator[str]:
    title = _title(place)
    yield f"{title}\n{'=' * len(title)}"
    yield from (line.strip() for line in (model.__doc__ or "").strip().splitlines())
    yield ""
    for _key, *lines in _keys(model):
        yield from lines


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Yield each key of a part with its lines: what it takes, its default, what it means."""
    schemas = model.model_json_schema(by_alias=True)
    properties, definitions = schemas.get("properties", {}), schemas.get("$defs", {})
    for name, field in model.model_fields.items():
        key = field.alias or name
        takes = _takes(properties.get(key, {}), definitions)
        default = FOLLOWS.get(key) if model is Spec else None
        line = f"  {key:<14} {takes:<44} {default or _default(field, properties.get(key, {}))}".rstrip()
        yield key, line, *wrap(field.description or "", 110, initial_indent=INDENT, subsequent_indent=INDENT)


def _takes(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return in a few words what a key takes."""
    if "$ref" in schema:
        return _takes(definitions.get(schema["$ref"].rsplit("/", 1)[-1], {}), definitions)
    if several := schema.get("anyOf") or schema.get("oneOf"):
        some = [_takes(one, definitions) for one in several]
        return " or ".join(dict.fromkeys(one for one in some if one != "null"))
    inside = schema.get("items") or schema.get("additionalProperties")
    inner = _takes(inside, definitions) if isinstance(inside, dict) else ""
    return _plain(schema, inner or "text")


def _plain(schema: dict[str, Any], inside: str) -> str:
    if "const" in schema or "enum" in schema:
        return " | ".join(map(str, schema.get("enum", [schema.get("const")])))
    kinds = schema.get("type")
    kind = kinds[0] if isinstance(kinds, list) and kinds[-1] == "null" else kinds
    if kind == "integer" and "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    if kind == "object":
        return f"NAME: {inside}" if isinstance(schema.get("additionalProperties"), dict) else "keys and values"
    words = {"array": f"list of {inside}", "boolean": "true | false", "null": "null"}
    return words.get(str(kind), _text(schema))


def _text(schema: dict[str, Any]) -> str:
    pattern = schema.get("pattern", "")
    if pattern == DAYS:
        return "days such as 90d"
    return "time such as 1m30s" if "(\\d+ms)" in pattern else "text"


def _default(field: FieldInfo, schema: dict[str, Any]) -> str:
    """Return the default as one writes it."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required" if field.is_required() else ""
    if isinstance(value, BaseModel) or value in (None, "", (), {}):
        return ""
    if isinstance(value, float):
        days, rest = divmod(value, DAY)
        return f"default {f'{days:g}d' if schema.get('pattern') == DAYS and not rest else written(value)}"
    return f"default {value if isinstance(value, str) else json.dumps(value)}"
