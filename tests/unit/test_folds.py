import pytest

from pipeline.folds import mark_of


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("=== web", "web"),
        ("=== integration tests ===", "integration tests"),
        ("::group::Install npm", "Install npm"),
        ("##[group]Install", "Install"),
        ("::group::", "section"),
        ("section_start:1700000000:step_one[collapsed=true]", "step_one"),
        ("section_start:1700000000:step_one\\x0d\\x1b[0KBuild it", "Build it"),
        ("--- :docker: Pull", ":docker: Pull"),
        ("+++ Tests", "Tests"),
        ("~~~ Preparing", "Preparing"),
        ("— attempt 2 —", "attempt 2"),
        ("\x1b[1m=== web\x1b[0m", "web"),
    ],
)
def test_a_mark_begins_a_section(line: str, title: str) -> None:
    mark = mark_of(line)
    assert mark and mark.title == title


@pytest.mark.parametrize("line", ["::endgroup::", "##[endgroup]", "section_end:1700000000:step_one"])
def test_a_mark_ends_a_section(line: str) -> None:
    mark = mark_of(line)
    assert mark and mark.title == ""


@pytest.mark.parametrize(
    "line",
    [
        "",
        "---",
        "===",
        "=========== FAILURES ===========",
        "=== RUN   TestBasket",
        "--- PASS: TestBasket (0.00s)",
        "--- a/file.py",
        "+++ b/file.py",
        "--- /dev/null",
        "--- file.py\t2026-11-21",
        "some ::group:: in a line",
        "a === b",
        "-- no --",
    ],
)
def test_what_looks_like_a_mark_is_a_line(line: str) -> None:
    assert mark_of(line) is None


def test_a_title_has_an_end() -> None:
    mark = mark_of(f"=== {'x' * 1000}")
    assert mark and len(mark.title) == 200
