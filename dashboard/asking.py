"""What a request asks to see: pages of lists, and filters. What cannot be meant is refused with a sentence."""

import re
from collections.abc import Iterable

from flask import Flask, request

from dashboard.reading import BIGGEST_ID
from pipeline.errors import NotFound, Rejected
from pipeline.junit import Verdict
from pipeline.outcome import State
from store.views import Page, RunFilter
from store.views_deliveries import SOURCES, VERDICTS, DeliveryFilter
from store.views_tests import Part, TestFilter

MOST = 200
MOST_TESTS = 10_000
USUAL = 50
NO = ("", "0", "false", "no")


def install(app: Flask) -> None:
    """Refuse addresses that no database could be asked about."""

    @app.before_request
    def refuse_nul() -> None:
        """Raise NotFound or Rejected for a NUL, which PostgreSQL takes in no text."""
        if "\0" in request.path:
            raise NotFound("nothing has a NUL in its address")
        if any("\0" in part for pair in request.args.items(multi=True) for part in pair):
            raise Rejected("a query cannot hold a NUL", code="bad_query")


def page_asked(usual: int = USUAL) -> Page:
    """Return the page of a list that the request asks for. Raises Rejected for what is no number."""
    wanted = whole("limit", usual)
    return Page(limit=min(max(1, wanted), MOST), before=min(whole("cursor", 0), BIGGEST_ID) or None)


def part_asked(usual: int = 1_000) -> Part:
    """Return the part that the request asks for of a list of tests. Raises Rejected for what is no number."""
    limit = min(max(1, whole("limit", usual)), MOST_TESTS)
    return Part(limit=limit, offset=min(whole("cursor", 0), BIGGEST_ID))


def verdict_asked() -> str | None:
    """Return how the tests that are asked for ended. Raises Rejected for a way in which no test ever ends."""
    return one_of("state", Verdict)


def test_filter() -> TestFilter:
    """Return which tests are asked for."""
    return TestFilter(project=_word("project"), name=_word("name"), flaky=_said("flaky"), failing=_said("failing"))


def run_filter() -> RunFilter:
    """Return which runs are asked for. Raises Rejected for a state that no run is ever in."""
    return RunFilter(
        project=_word("project"), revision=_word("revision"), state=one_of("state", State), branch=_word("branch")
    )


def delivery_filter() -> DeliveryFilter:
    """Return which deliveries are asked for. Raises Rejected for a verdict or a source that there is not."""
    return DeliveryFilter(
        project=_word("project"),
        forge=_word("forge"),
        code=_word("code"),
        verdict=one_of("verdict", VERDICTS),
        source=one_of("source", SOURCES),
    )


def _word(name: str) -> str | None:
    return request.args.get(name) or None


def _said(name: str) -> bool:
    return request.args.get(name, "") not in NO


def one_of(name: str, known: Iterable[str]) -> str | None:
    """Return one of the words there are, if the request gives one. Raises Rejected for any other."""
    value = _word(name)
    words = list(known)
    if value and value not in words:
        raise Rejected(f"no {name} is ever {value[:40]!r}; there are: {', '.join(words)}", code=f"bad_{name}")
    return value


def whole(name: str, otherwise: int) -> int:
    """Return a whole number that the request gives. Raises Rejected for what is none."""
    text = request.args.get(name)
    if text is None:
        return otherwise
    if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        raise Rejected(f"{name} must be a whole number", code=f"bad_{name}")
    return int(text)
