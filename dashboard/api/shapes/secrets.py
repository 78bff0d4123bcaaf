"""Secrets, of which everything is shown but the value."""

from pydantic import Field

from dashboard.api.shapes.part import Shape, Time


class Secret(Shape):
    """A secret that is set. Where several of one name reach a stage, the nearest counts."""

    name: str
    scope: str = Field(description="`all`, a project, `PROJECT:ENVIRONMENT` or `all:ENVIRONMENT`")
    project: str | None
    environment: str | None
    set_by: str
    set_at: Time


class Gone(Shape):
    """What was removed."""

    detail: str
