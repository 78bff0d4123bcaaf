"""A WSGI application that tells what reached it."""

import json
from collections.abc import Callable, Iterable
from typing import Any

SEEN: list[str] = []


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the request's variables and every path asked for so far."""
    environ["wsgi.input"].read()
    SEEN.append(environ["PATH_INFO"])
    told = {key: value for key, value in environ.items() if isinstance(value, str)}
    body = json.dumps({"seen": SEEN, "told": told}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
