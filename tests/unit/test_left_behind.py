"""Where reports are looked for, and Cobertura's word on coverage."""

import pytest

from pipeline.coverage import Coverage, parse_coverage
from pipeline.errors import Rejected
from pipeline.left_behind import Use, path_of, root_of, too_wide, wanted


@pytest.mark.parametrize(
    ("pattern", "root"),
    [
        ("/reports/*.xml", "/reports"),
        ("/reports/unit.xml", "/reports/unit.xml"),
        ("/srv/**/out/*.xml", "/srv"),
        ("/a/b?/c", "/a"),
        ("/*.xml", "/"),
    ],
)
def test_a_pattern_is_looked_for_below_its_last_plain_folder(pattern: str, root: str) -> None:
    assert root_of(pattern) == root


def test_folders_within_others_are_read_once() -> None:
    asked = wanted({"junit": ["/r/*.xml"], "files": ["/r/shots/*.png", "/r2/x", "/r/**"]})
    assert asked.roots == ("/r", "/r2/x")
    assert asked.uses("/r/a.xml") == {Use.JUNIT, Use.FILES}
    assert asked.uses("/r/b/a.xml") == {Use.FILES}
    assert not too_wide(asked.roots)
    assert too_wide(wanted({"files": ["/**"]}).roots)
    assert wanted(None).roots == ()


@pytest.mark.parametrize("member", ["../etc/passwd", "/etc/passwd", "r/../../x", "r2/x", "x" * 2000, ""])
def test_D12_a_member_that_is_not_below_what_was_asked_for_is_nothing(member: str) -> None:
    assert path_of("/r", member) is None


def test_a_member_s_path_is_the_one_in_the_container() -> None:
    assert path_of("/srv/reports", "reports/a/b.xml") == "/srv/reports/a/b.xml"
    assert path_of("/reports/unit.xml", "unit.xml") == "/reports/unit.xml"


def test_coverage_adds_up_over_reports() -> None:
    lines = parse_coverage(b'<coverage line-rate="0.5" lines-valid="200" lines-covered="150"><packages/></coverage>')
    assert str(lines + parse_coverage(b'<coverage lines-valid="100" lines-covered="900"/>')) == "coverage 83.3 %"
    assert str(parse_coverage(b'<coverage line-rate="0.25"/>')) == "coverage 25.0 %"
    assert not str(Coverage())
    with pytest.raises(Rejected, match="no Cobertura report"):
        parse_coverage(b"<testsuite/>")
