"""Logs: one event, one line; JSON where a program reads them, pretty where a person does."""

import logging
import sys
from typing import Any

import structlog

LEVEL = logging.INFO
# Libraries that tell of every request they make.
CHATTY = ("httpx", "httpcore")


def configure(log_format: str) -> None:
    """Send this process's logs, structlog's and the standard library's alike, to stdout; `auto` asks the terminal."""
    pretty = log_format == "pretty" or (log_format == "auto" and sys.stdout.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if pretty else "iso", utc=not pretty),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(LEVEL),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    last = _pretty() if pretty else _json()
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=LEVEL, force=True)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _json() -> list[Any]:
    # A traceback becomes one string of the event, its line ends escaped: one event stays one line.
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ]


def _pretty() -> list[Any]:
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        # Without the values of variables, which it shows unasked: a token may be among them.
        structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), exception_formatter=structlog.dev.RichTracebackFormatter(show_locals=False)
        ),
    ]
