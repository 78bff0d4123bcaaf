"""What every page shares: filters, security headers, what the layout asks for."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Flask, Response, g, request, session

from dashboard import words
from dashboard.access import SIGNED_IN
from dashboard.ansi import plain
from dashboard.drawing import bars, time_left
from dashboard.mrkdwn import mrkdwn
from pipeline.names import short
from pipeline.progress import in_words

POLICY = "; ".join(
    (
        "default-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def install(app: Flask, *, now: Callable[[], datetime], facts: dict[str, Any]) -> None:
    """Give the templates their words; `facts` is what empty pages tell people to paste."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {
        "ago": lambda time: words.ago(time, _now(now)),
        "absolute": words.absolute,
        "took": lambda thing: words.length(words.seconds_of(thing, _now(now))),
        "duration": words.length,
        "size": words.size,
        "hue": words.hue,
        "short": short,
        "shown": words.shown,
        "called": words.called,
        "asked": words.asked,
        "subject": words.subject,
        "person": words.person,
        "mrkdwn": mrkdwn,
        "left_in_words": in_words,
        "plain": plain,
        "plain_lines": lambda text: "\n".join(plain(line) for line in text.split("\n")),
        "bars": lambda runs: bars(runs, _now(now)),
        "left": lambda run, usual: time_left(run, usual, _now(now)),
    }
    app.context_processor(lambda: {"facts": facts, "here": request.path, "signed_in": SIGNED_IN in session})
    app.after_request(_headers)


def _now(clock: Callable[[], datetime]) -> datetime:
    """Return one time for the whole page."""
    if "now" not in g:
        g.now = clock()
    shown: datetime = g.now
    return shown


def _headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if not request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response
