"""JUnit's reports, as the programs that write them do, and as nobody should."""

import pytest

from pipeline.errors import Rejected
from pipeline.judge import Past, failing_in, judge, lines_of, once, said_of
from pipeline.junit import LONGEST_MESSAGE, LONGEST_NAME, SUITE_ITSELF, Case, Verdict, merge, parse
from pipeline.masking import Mask

PYTEST = b"""<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" errors="1" failures="1">
<testcase classname="tests.test_cart.TestCart" name="test_add[1]" time="0.012" />
<testcase classname="tests.test_cart" name="test_refund" time="0.5"><failure message="assert 1 == 2">def test():
&gt; assert 1 == 2</failure></testcase>
<testcase classname="tests.test_cart" name="test_torn" time="0.1"/>
<testcase classname="tests.test_cart" name="test_torn" time="0.2">
<error message="failed on teardown">x</error></testcase>
<testcase classname="tests.test_cart" name="test_old" time="0">
<skipped type="pytest.skip" message="no">s</skipped></testcase>
</testsuite></testsuites>"""
SUREFIRE = b"""<testsuite name="org.shop.CartTest" time="1,234.5" tests="2">
<properties><property name="java.version" value="21"/></properties>
<testcase name="adds" classname="org.shop.CartTest" time="1,234.5">
<flakyFailure message="once">trace</flakyFailure></testcase>
<testcase name="pays" classname="org.shop.CartTest"><failure type="AssertionError">expected 1
at CartTest.java:7</failure><rerunFailure message="again"/><system-out><![CDATA[<failure>]]></system-out></testcase>
</testsuite>"""
NESTED = b"""<testsuites><testsuite name="api"><testsuite name="cart"><testcase name="adds" time="x"/></testsuite>
<testcase name="pings" status="notrun"/></testsuite>
<testsuite name="web"><error message="cannot load"/></testsuite></testsuites>"""
ENTITIES = b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<testsuite><testcase name="&b;"/></testsuite>"""
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&f;"/></testsuite>"""


def test_pytest_says_how_each_test_ended_and_one_told_of_twice_is_one() -> None:
    found = {case.name: case for case in parse(PYTEST)}
    assert {name: str(case.state) for name, case in found.items()} == {
        "test_add[1]": "passed",
        "test_refund": "failed",
        "test_torn": "error",
        "test_old": "skipped",
    }
    assert found["test_refund"].message.startswith("assert 1 == 2\ndef test():")
    assert found["test_torn"].seconds == pytest.approx(0.3)
    assert found["test_add[1]"].suite == "tests.test_cart.TestCart"


def test_surefire_tells_of_what_passed_only_at_the_second_try() -> None:
    adds, pays = parse(SUREFIRE)
    assert (adds.state, adds.flaky, adds.seconds) == (Verdict.PASSED, True, 1234.5)
    assert (pays.state, pays.flaky) == (Verdict.FAILED, False)
    assert pays.message == "expected 1\nat CartTest.java:7"


def test_suites_within_suites_are_named_and_one_that_breaks_itself_is_an_error() -> None:
    adds, pings, itself = parse(NESTED)
    assert (adds.suite, adds.seconds) == ("api / cart", 0.0)
    assert (pings.suite, pings.state) == ("api", Verdict.SKIPPED)
    assert (itself.suite, itself.name, itself.state) == ("web", SUITE_ITSELF, Verdict.ERROR)


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (ENTITIES, "document type"),
        (OUTSIDE, "document type"),
        (b"<testsuite>" + b"<a>" * 100_000, "nested deeper"),
        (b"<testsuite><testcase name='a'>", "not well-formed"),
        (b"\xff\xfe\x00", "not well-formed"),
        (b"", "not well-formed"),
        (b"<?xml version='1.0' encoding='no-such'?><testsuite/>", "not well-formed"),
        (b"<html><body/></html>", "no JUnit report"),
        (b"<testsuite>" + b"<testcase name='a'/>" * 50_001 + b"</testsuite>", "more than 50,000"),
    ],
    ids=["entities", "outside", "deep", "cut", "binary", "empty", "encoding", "html", "many"],
)
def test_D12_a_hostile_report_is_refused_with_a_sentence(report: bytes, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        parse(report)


def test_D12_names_and_messages_without_end_are_cut() -> None:
    word = b"x" * 100_000
    (case,) = parse(b"<testsuite><testcase name='%s'><failure>%s</failure></testcase></testsuite>" % (word, word))
    kept = case.shown(Mask().cut)
    assert (len(kept.name), len(kept.message)) == (500, 4_000)
    assert len(case.name) + len(case.message) < 15_000


def case(name: str, state: Verdict = Verdict.PASSED, **values: object) -> Case:
    return Case(suite="cart", name=name, state=state, **values)  # type: ignore[arg-type]


FAILED, SKIPPED = Verdict.FAILED, Verdict.SKIPPED


def test_what_fails_is_named_first_and_what_is_new_before_what_is_known() -> None:
    past = Past(since=86, failed=frozenset({("cart", "old")}), failed_here=frozenset({("cart", "now and then")}))
    cases = [case("fine"), case("now and then"), case("old", FAILED), case("fresh", FAILED, message="1 != 2\nat x")]
    judged = judge([*cases, case("later", SKIPPED)], past)
    assert said_of(judged, past) == "1 passed, 1 flaky, 1 skipped, 2 failed: fresh (new since r86), old"
    assert lines_of(judged, past) == ("✗ cart › fresh (new since r86): 1 != 2", "✗ cart › old")
    assert [one.new for one in judged] == [True, False, False, False, False]


def test_what_passed_in_the_same_image_before_is_flaky_when_it_fails_unless_it_is_new() -> None:
    here = frozenset({("cart", "moody")})
    for failed, said in ((here, "(flaky)"), (frozenset(), "(new since r86)")):
        past = Past(since=86, passed_here=here, failed=failed)
        judged = judge([case("moody", FAILED)], past)
        assert said_of(judged, past) == f"1 failed: moody {said}" and judged[0].flaky


def test_a_name_that_several_suites_have_is_given_with_its_suite() -> None:
    other = Case(suite="refunds", name="restored", state=FAILED)
    judged = judge([case("restored"), other, case("alone", FAILED)], Past())
    assert said_of(judged, Past()) == "1 passed, 2 failed: refunds › restored, alone"


def test_a_test_that_failed_in_several_shards_is_named_once() -> None:
    said = {1: [case("restored", FAILED, message="empty")], 2: [case("restored", FAILED)], 3: [case("restored")]}
    judged = judge(once(said)[1], Past(), failing_in(said))
    assert said_of(judged, Past()) == "1 failed: restored (in 2 shards)"
    assert lines_of(judged, Past()) == ("✗ cart › restored (in 2 shards): empty",)


def test_a_test_that_several_shards_tell_of_counts_once_where_the_worst_is_said() -> None:
    said = {1: [case("a", seconds=1.0), case("b")], 2: [case("a", FAILED, message="no", seconds=2.0)], 3: [case("b")]}
    assert once(said) == {1: (case("b"),), 2: (case("a", FAILED, message="no", seconds=3.0),), 3: ()}


def test_of_many_failures_the_first_are_named() -> None:
    judged = judge([case(f"t{number}", FAILED) for number in range(12)], Past())
    assert said_of(judged, Past()) == "12 failed: t0, t1, t2, t3, t4 and 7 more"
    assert lines_of(judged, Past())[-1] == "… and 2 more"


def test_a_report_without_tests_says_so() -> None:
    assert said_of((), Past()) == "no tests"


def test_of_one_test_told_of_twice_the_worse_counts() -> None:
    (one,) = merge([case("a", SKIPPED, seconds=1.0), case("a", flaky=True, seconds=2.0)])
    assert (one.state, one.flaky, one.seconds) == (Verdict.PASSED, True, 3.0)


def test_no_part_of_a_secret_is_left_where_names_and_messages_are_cut() -> None:
    secret, mask = "TOKEN-OF-ANA", Mask()
    mask.hide([secret])
    for before in range(LONGEST_NAME - len(secret), LONGEST_NAME + 1):
        name, message = f"{'x' * before}{secret}y", f"{'x' * (before + LONGEST_MESSAGE - LONGEST_NAME)}{secret}y"
        report = f'<testsuite name="{name}"><testcase name="{name}"><failure message="{message}"/></testcase>'
        (case,) = parse(f"{report}</testsuite>".encode())
        shown = case.shown(mask.cut)
        for text, most in ((shown.suite, LONGEST_NAME), (shown.name, LONGEST_NAME), (shown.message, LONGEST_MESSAGE)):
            assert len(text) <= most and not set("TOKENFA") & set(text)


def test_a_secret_is_hidden_however_the_text_of_a_failure_is_read() -> None:
    mask = Mask()
    mask.hide(["t&ken-1"])
    text = f"{'x' * 10}t&amp;ken-1 {'y' * 3_970} t&amp;ken-1"
    (case,) = parse(f'<testsuite><testcase name="a"><failure>{text}</failure></testcase></testsuite>'.encode())
    assert case.shown(mask.cut).message == f"{'x' * 10}[masked] {'y' * 3_970} [masked]"


def test_names_that_are_told_with_every_test_may_not_fill_the_memory() -> None:
    report = f'<testsuite name="{"x" * 5_000}">{"<testcase/>" * 20_000}</testsuite>'
    with pytest.raises(Rejected, match="names in it are too long"):
        parse(report.encode())
