"""JUnit's report of tests, in the dialects of pytest, Surefire, Jest, go-junit-report, GoogleTest and their like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipeline.errors import Rejected
from pipeline.masking_forms import PIECE
from pipeline.xml_events import read_xml

MOST_CASES = 50_000
LONGEST_NAME = 500
LONGEST_MESSAGE = 4_000
# What a report may say in names altogether, suites within suites told with each test.
MOST_NAMES = 64 * 1024**2
SUITE_ITSELF = "(the suite itself)"


class Verdict(StrEnum):
    """How one test ended."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"

    @property
    def bad(self) -> bool:
        """Tell whether the test is against the commit."""
        return self in {Verdict.FAILED, Verdict.ERROR}


# Of one test that a report tells of more than once, the first of these counts.
WORST = (Verdict.FAILED, Verdict.ERROR, Verdict.PASSED, Verdict.SKIPPED)
SAYS = {"failure": Verdict.FAILED, "error": Verdict.ERROR, "skipped": Verdict.SKIPPED, "disabled": Verdict.SKIPPED}
# Surefire's words for what failed at first and then passed in the same report.
FLAKY = frozenset({"flakyFailure", "flakyError"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One test of a report; `flaky`: the report itself says that it also failed."""

    suite: str
    name: str
    state: Verdict
    seconds: float = 0.0
    message: str = ""
    flaky: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What is the same for the same test in every report."""
        return self.suite, self.name

    def shown(self, cut: Callable[[str, int], str]) -> "Case":
        """Return the test as it may be kept: `cut` returns at most so much of a text, without what must not be seen."""
        name, suite = cut(self.name, LONGEST_NAME), cut(self.suite, LONGEST_NAME)
        return replace(self, name=name, suite=suite, message=cut(self.message, LONGEST_MESSAGE))


def parse(data: bytes) -> tuple[Case, ...]:
    """Return the tests of a report, each once. Raises Rejected if it is no report, or none that can be trusted.

    Texts are a piece longer than what is kept, so that `shown` sees the whole of what stands across the cut.
    """
    reading = _Reading()
    read_xml(data, reading.start, reading.end, reading.text)
    if not reading.is_report:
        raise Rejected("it is XML, and no JUnit report", code="bad_report")
    return merge(reading.cases)


def merge(cases: list[Case]) -> tuple[Case, ...]:
    """Return each test once: the worst that is said of it counts, and the time of all of it."""
    found: dict[tuple[str, str], Case] = {}
    for case in cases:
        known = found.get(case.key)
        found[case.key] = case if known is None else _both(known, case)
    return tuple(found.values())


def _both(one: Case, other: Case) -> Case:
    worse, better = sorted((one, other), key=lambda case: WORST.index(case.state))
    return replace(worse, seconds=one.seconds + other.seconds, flaky=worse.flaky or better.flaky)


@dataclass(slots=True)
class _Reading:
    """Where the reader is: in which suites, in which test, and what is said of that so far."""

    cases: list[Case] = field(default_factory=list)
    is_report: bool = False
    suites: list[str] = field(default_factory=list)
    case: Case | None = None
    message: str = ""
    words: list[str] = field(default_factory=list)
    length: int = 0
    saying: bool = False
    names: int = 0

    def start(self, name: str, said: Mapping[str, str]) -> None:
        if name in {"testsuites", "testsuite"}:
            self.is_report = True
            self.suites.append(said.get("name", "") if name == "testsuite" else "")
        elif name == "testcase":
            self._begin(said)
        elif name in SAYS or name in FLAKY:
            self._say(name, said)

    def text(self, piece: str) -> None:
        if self.saying and self.length < LONGEST_MESSAGE + PIECE:
            self.words.append(piece)
            self.length += len(piece)

    def end(self, name: str) -> None:
        if name in {"testsuites", "testsuite"} and self.suites:
            self.suites.pop()
        elif name in SAYS and self.saying:
            self._said()
        elif name == "testcase" and self.case is not None:
            self.cases.append(self.case)
            self.case = None

    def _begin(self, said: Mapping[str, str]) -> None:
        if len(self.cases) >= MOST_CASES:
            raise Rejected(f"it tells of more than {MOST_CASES:,} tests", code="bad_report")
        suite = (said.get("classname") or self._suite())[: LONGEST_NAME + PIECE]
        name = (said.get("name") or "(no name)")[: LONGEST_NAME + PIECE]
        self.names += len(suite) + len(name)
        if self.names > MOST_NAMES:
            raise Rejected("the names in it are too long", code="bad_report")
        skipped = said.get("status") in {"notrun", "disabled", "skipped"}
        self.case = Case(
            suite=suite,
            name=name,
            state=Verdict.SKIPPED if skipped else Verdict.PASSED,
            seconds=_seconds(said.get("time", "")),
        )

    def _say(self, name: str, said: Mapping[str, str]) -> None:
        if name in FLAKY:
            self.case = replace(self.case, flaky=True) if self.case else None
            return
        outside = Case(suite=self._suite()[: LONGEST_NAME + PIECE], name=SUITE_ITSELF, state=Verdict.PASSED)
        case = self.case or outside
        state = min(SAYS[name], case.state, key=WORST.index) if case.state is not Verdict.PASSED else SAYS[name]
        self.message, self.words, self.length, self.saying = said.get("message", ""), [], 0, True
        self.case = replace(case, state=state)

    def _said(self) -> None:
        if self.case is not None:
            # As it stands there: where the text was read in pieces is nobody's business.
            told = (self.message.strip(), "".join(self.words).strip())
            message = "\n".join(part for part in told if part)[: LONGEST_MESSAGE + PIECE]
            self.case = replace(self.case, message=self.case.message or message)
            if self.case.name == SUITE_ITSELF:
                self.cases.append(self.case)
                self.case = None
        self.words, self.saying = [], False

    def _suite(self) -> str:
        return " / ".join(name for name in self.suites if name)


def _seconds(said: str) -> float:
    """Return a time in seconds; Surefire sets off thousands with commas."""
    try:
        seconds = float(said.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e9 else 0.0
