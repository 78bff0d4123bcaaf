"""What all shapes of the API have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Address = Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]
RunId = Annotated[str, Field(pattern=r"^r[0-9]+$", examples=["r87"])]
DeploymentId = Annotated[str, Field(pattern=r"^d[0-9]+$", examples=["d142"])]
Number = Annotated[str, Field(pattern=r"^[0-9]+$", examples=["12"])]


class Shape(BaseModel):
    """A JSON object that always has all of its fields, and no other."""

    model_config = ConfigDict(extra="forbid")


class Problem(Shape):
    """An error (RFC 9457). `code` is stable, `detail` says what is wrong, `fix` what to do about it."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    fix: str
