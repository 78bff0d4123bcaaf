"""What is wrong with a slipway.yml."""

from pydantic import Field

from dashboard.api.shapes.part import Shape


class Flaw(Shape):
    """One thing that is wrong."""

    file: str
    line: int = Field(ge=0, description="0 is the file as a whole")
    where: str = Field(description="`stages.unit`, `services.web` …, or nothing")
    sentence: str


class Checked(Shape):
    """Everything that is wrong, in the order of the files; nothing if all is well."""

    problems: list[Flaw]
