"""Cobertura's report of coverage: how many lines there are, and how many were run."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import Rejected
from pipeline.xml_events import read_xml


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """Lines run of lines there are."""

    covered: float = 0.0
    valid: float = 0.0

    def __add__(self, other: "Coverage") -> "Coverage":
        return Coverage(covered=self.covered + other.covered, valid=self.valid + other.valid)

    def __str__(self) -> str:
        return f"coverage {100 * self.covered / self.valid:.1f} %" if self.valid else ""


def parse_coverage(data: bytes) -> Coverage:
    """Return what a report says in its first element. Raises Rejected if it is no such report."""
    roots: list[tuple[str, Mapping[str, str]]] = []

    def start(name: str, said: Mapping[str, str]) -> None:
        if not roots:
            roots.append((name, dict(said)))

    read_xml(data, start, lambda _name: None, lambda _text: None)
    name, said = roots[0]
    if name != "coverage":
        raise Rejected("it is XML, and no Cobertura report", code="bad_report")
    valid = _number(said.get("lines-valid", ""))
    if valid:
        return Coverage(covered=min(_number(said.get("lines-covered", "")), valid), valid=valid)
    # Some programs write only the rate: then the file counts as one line.
    return Coverage(covered=min(_number(said.get("line-rate", "")), 1.0), valid=1.0)


def _number(said: str) -> float:
    try:
        number = float(said)
    except ValueError:
        return 0.0
    return number if 0 <= number < 1e12 else 0.0
