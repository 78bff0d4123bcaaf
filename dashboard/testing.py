"""Pages of tests: those of a project that fail or are flaky, and one test's history. Drawn complete by the server."""

from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from dashboard.asking import part_asked, test_filter
from dashboard.drawing import BAR_HEIGHT, BAR_PITCH
from dashboard.reading import Reading
from store import views_tests

View = dict[str, Any]
ROWS = 100


def make_testing(reading: Reading) -> Blueprint:
    """Return the blueprint of /tests."""
    pages = Blueprint("testing", __name__)

    @pages.get("/tests")
    def tests() -> ResponseReturnValue:
        """List tests, those that fail first, then those that are flaky."""
        with reading.session() as session:
            found = views_tests.tests(session, test_filter(), part_asked(ROWS))
        return render_template("tests.html", tests=found, moving=False)

    @pages.get("/tests/<test>")
    def test(test: str) -> ResponseReturnValue:
        """Show one test over its last runs."""
        found = reading.test(test)
        return render_template("test.html", test=found, strip=strip(found["times"]), moving=False)

    return pages


def strip(times: list[View]) -> list[View]:
    """Return how a test ended each time, oldest first, with the height that says how long it took. Pure."""
    longest = max((one["seconds"] for one in times), default=0.0) or 1.0
    heights = [max(6, round(BAR_HEIGHT * (one["seconds"] / longest) ** 0.5)) for one in times]
    drawn = enumerate(zip(reversed(times), reversed(heights), strict=True))
    return [{"time": time, "x": BAR_PITCH * place, "height": height} for place, (time, height) in drawn]
