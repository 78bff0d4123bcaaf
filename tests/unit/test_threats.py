"""Every row of docs/reference/threats.md has a test of its name."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_threat_has_a_test() -> None:
    page = (ROOT / "docs" / "reference" / "threats.md").read_text()
    rows = set(re.findall(r"^\| ([WGDL]\d+) \|", page, re.MULTILINE))
    assert {row for row in rows if row[0] in "WG"} == {f"W{number}" for number in range(1, 21)} | {
        f"G{number}" for number in range(1, 24)
    }
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    tested = {row for found in re.findall(r"\bdef test_((?:[WGDL]\d+_)+)", tests) for row in found.split("_")}
    assert sorted(rows - tested) == []
