"""The reference of slipway.yml, made from the model itself, so that the two cannot differ."""

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipeline.nearest import missing
from pipeline.spec_model import PARTS
from pipeline.spec_words import Place


def chapters() -> dict[str, str]:
    """Return the reference by the place each part of it is about; the file's own keys are `slipway.yml`."""
    return {_title(place): "\n".join(_chapter(place, model)) for place, model in PARTS.items()}


def chapter(word: str) -> str:
    """Return what is said of a place and all inside it, such as services.build. Raises KeyError with a sentence."""
    every = chapters()
    plain = {title.replace(".NAME", "").replace("[]", ""): title for title in every}
    wanted = re.sub(r"\.NAME|\[\]", "", word)
    found = [title for key, title in plain.items() if key == wanted or key.startswith(f"{wanted}.")]
    if not found:
        raise KeyError(missing(word, plain, "part"))
    return "\n\n".join(every[title] for title in found)


def _title(place: Place) -> str:
    title = ".".join("NAME" if step == "*" else str(step) for step in place)
    return title.replace(".#", "[]") or "slipway.yml"


def _chapter(place: Place, model: type[BaseModel]) -> Iterator[str]:
    title = _title(place)
    yield f"{title}\n{'=' * len(title)}"
    yield from (line.strip() for line in (model.__doc__ or "").strip().splitlines())
    yield ""
    schemas = model.model_json_schema(by_alias=True)
    properties, definitions = schemas.get("properties", {}), schemas.get("$defs", {})
    for name, field in model.model_fields.items():
        key = field.alias or name
        takes = _takes(properties.get(key, {}), definitions)
        yield f"  {key:<14} {takes:<44} {_default(field)}".rstrip()


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
    if pattern == r"^\d+d$":
        return "days such as 90d"
    return "time such as 1m30s" if "(\\d+ms)" in pattern else "text"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required" if field.is_required() else ""
    if isinstance(value, BaseModel) or value in (None, "", (), {}):
        return ""
    return f"default {json.dumps(value)}"
