"""How Slipway itself is."""

from typing import Literal

from dashboard.api.shapes.part import Shape


class Up(Shape):
    """The process is up."""

    status: str


class Ready(Shape):
    """Every part with a word."""

    status: str
    parts: dict[str, Literal["up", "low", "down"]]
