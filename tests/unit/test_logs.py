"""Logs: one event is one line."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from config.logs import configure


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def test_an_event_with_a_traceback_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        structlog.get_logger("slipway.test").exception("it broke", run="r87")
    (line,) = capsys.readouterr().out.splitlines()
    event = json.loads(line)
    assert (event["event"], event["run"], event["level"]) == ("it broke", "r87", "error")
    assert "two\nlines" in event["exception"]


def test_the_standard_librarys_events_look_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure("auto")
    logging.getLogger("a.lib").warning("%s of %s", 1, 2)
    event = json.loads(capsys.readouterr().out)
    assert (event["event"], event["logger"], event["level"]) == ("1 of 2", "a.lib", "warning")


def test_pretty_is_not_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure("pretty")
    structlog.get_logger("slipway.test").info("run started", run="r1")
    assert "run=r1" in capsys.readouterr().out.replace("'", "")


@pytest.mark.parametrize("form", ["pretty", "json"])
def test_a_traceback_does_not_show_the_values_of_variables(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(form)
    token = "ghp_" + "0" * 8
    try:
        raise ValueError("refused")
    except ValueError:
        structlog.get_logger("slipway.test").exception("it broke")
    out = capsys.readouterr().out
    assert "ValueError" in out and token not in out
