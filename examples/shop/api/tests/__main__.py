"""Run the tests, those of `integration` if it is named, and leave a JUnit report where Slipway looks for one."""

import sys
import time
import unittest
from pathlib import Path
from xml.sax.saxutils import quoteattr

REPORT = Path("/reports/tests.xml")


class Result(unittest.TextTestResult):
    """Notes of each test how long it took and what was wrong with it."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.cases: list[str] = []

    def startTest(self, test: unittest.TestCase) -> None:
        """Look at the clock."""
        self.began = time.monotonic()
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:
        """Write the test down."""
        super().stopTest(test)
        suite, _, name = test.id().rpartition(".")
        wrong = [text for one, text in (*self.failures, *self.errors) if one is test]
        failure = f"<failure message={quoteattr(wrong[0].strip().splitlines()[-1])}/>" if wrong else ""
        head = f"<testcase classname={quoteattr(suite)} name={quoteattr(name)}"
        self.cases.append(f'{head} time="{time.monotonic() - self.began:.3f}">{failure}</testcase>')


def main() -> int:
    """Return the exit code."""
    found = unittest.defaultTestLoader.loadTestsFromName(f"tests.{'test_shelf' if sys.argv[1:] else 'test_basket'}")
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(found)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(f"<testsuite name='shop'>{''.join(result.cases)}</testsuite>")
    return 0 if result.wasSuccessful() else 1


sys.exit(main())
