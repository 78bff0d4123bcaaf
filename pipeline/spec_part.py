"""What every group of keys in the configuration shares: frozen, and strict about keys nobody knows."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from pipeline.spec_types import is_null


def _schema(schema: dict[str, Any]) -> None:
    """Say to editors what the loader takes besides: keys of one's own, and nothing where nothing is required."""
    schema["patternProperties"] = {"^x-": {}}
    if not schema.get("required"):
        schema["type"] = ["object", "null"]


def or_one(schema: dict[str, Any]) -> None:
    """Say to editors that a list of one may be written without being one."""
    several = {key: schema.pop(key) for key in ("type", "items") if key in schema}
    schema["anyOf"] = [several, several["items"]]


class Part(BaseModel):
    """A group of keys; one that is written with nothing in it is the same as its defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_schema)

    @model_validator(mode="before")
    @classmethod
    def _nothing(cls, value: Any) -> Any:
        return {} if is_null(value) else value
