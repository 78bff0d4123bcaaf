"""Render the configuration of a program from its template in `config/`."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

TEMPLATES = Path(__file__).resolve().parent.parent / "config"


def render(name: str, **values: Any) -> bytes:
    """Return the template of that name with these values; one that is missing is an error, never a blank."""
    return _template(name).render(values).encode()


@cache
def _template(name: str) -> Template:
    # Never HTML: escaping would only damage it. What values may hold is for the caller to check.
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
