"""Whatever a report holds, reading it ends in tests or in a sentence."""

from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.coverage import parse_coverage
from pipeline.errors import Rejected
from pipeline.judge import Past, judge, lines_of, said_of
from pipeline.junit import parse

NAMES = st.sampled_from(
    [
        "testsuites",
        "testsuite",
        "testcase",
        "failure",
        "error",
        "skipped",
        "flakyFailure",
        "system-out",
        "coverage",
        "a:b",
    ]
)
VALUES = st.sampled_from(["", "1", "-1", "1e999", "nan", "1,5", "x" * 600, "&amp;", "notrun", "\u202e"])
KEYS = st.sampled_from(["name", "classname", "time", "message", "status", "lines-valid", "lines-covered", "line-rate"])


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> str:
    name = draw(NAMES)
    said = "".join(f' {key}="{draw(VALUES)}"' for key in draw(st.sets(KEYS, max_size=4)))
    inner = "".join(draw(st.lists(elements(depth - 1), max_size=3))) if depth else draw(VALUES)
    return f"<{name}{said}>{inner}</{name}>"


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(elements())
def test_any_nesting_of_a_report_s_words_is_tests_or_refused(report: str) -> None:
    with suppress(Rejected):
        judged = judge(parse(report.encode()), Past(since=1))
        assert said_of(judged, Past(since=1))
        assert len(lines_of(judged, Past())) <= 11
        assert len({one.case.key for one in judged}) == len(judged)
    with suppress(Rejected):
        assert str(parse_coverage(report.encode())).startswith(("coverage ", ""))


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 60))
def test_any_bytes_are_tests_or_refused(junk: bytes, at: int) -> None:
    whole = b"<testsuite><testcase name='a'><failure>b</failure></testcase></testsuite>"
    with suppress(Rejected):
        parse(whole[:at] + junk + whole[at:])
