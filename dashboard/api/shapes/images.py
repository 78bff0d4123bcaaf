"""Images, and where they were published."""

from typing import Literal

from pydantic import Field

from dashboard.api.shapes.part import Number, RunId, Shape, Time
from dashboard.api.shapes.runs import Image


class Publication(Shape):
    """A copy of an image in another registry, under the same digest."""

    id: Number
    project: str
    service: str
    revision: str
    digest: str
    registry: str = Field(description="its name in the settings")
    tag: str
    reference: str | None = Field(description="what to pull")
    state: Literal["queued", "published", "failed", "error"]
    reason: str
    code: str
    actor: str
    created_at: Time
    finished_at: Time | None


class KnownImage(Image):
    """The image of a service's commit, by itself."""

    id: Number
    project: str
    revision: str
    run: RunId
    created_at: Time


class WholeImage(KnownImage):
    """An image with where it was published."""

    publications: list[Publication]
