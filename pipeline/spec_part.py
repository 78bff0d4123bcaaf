"""What every group of keys in the configuration shares: frozen, and strict about keys nobody knows."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from pipeline.spec_types import is_null


class Part(BaseModel):
    """A group of keys; one that is written with nothing in it is the same as its defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"patternProperties": {"^x-": {}}})

    @model_validator(mode="before")
    @classmethod
    def _nothing(cls, value: Any) -> Any:
        return {} if is_null(value) else value
