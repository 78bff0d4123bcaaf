"""Errors as answers, in one place: problem+json (RFC 9457) for programs, a page for people, never a traceback."""

import logging
import secrets
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, json, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from pipeline.errors import Rejected, SlipwayError, Unavailable

PROGRAMS = ("/api/", "/hooks/", "/slack/", "/healthz", "/readyz", "/metrics", "/openapi.json")
RETRY_SECONDS = "5"
log = logging.getLogger(__name__)


def install(app: Flask) -> None:
    """Answer every error of the app from here."""
    app.register_error_handler(SlipwayError, _ours)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _unforeseen)


def problem(status: int, *, code: str, detail: str, fix: str = "") -> Response:
    """Return an error as whoever asked can read it."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "fix": fix,
    }
    response = _json(body) if _for_programs() else Response(render_template("error.html", problem=body))
    response.status_code = status
    return response


def _ours(fault: SlipwayError) -> Response:
    status = fault.status if isinstance(fault, Rejected) else 503 if isinstance(fault, Unavailable) else 500
    if status >= 500:
        log.warning("answered %s: %s", status, fault.code, exc_info=fault)
    response = problem(status, code=fault.code, detail=fault.sentence, fix=fault.fix)
    if status == 503:
        response.headers["Retry-After"] = RETRY_SECONDS
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _of_http(fault: HTTPException) -> ResponseReturnValue:
    status = fault.code or 500
    if status < 400:
        return fault.get_response()
    code = HTTPStatus(status).name.lower()
    response = problem(status, code=code, detail=fault.description or "")
    for name, value in fault.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response


def _unforeseen(fault: Exception) -> Response:
    """Answer for a mistake of ours: its words stay in the log, under a number that the reader gets."""
    number = secrets.token_hex(4)
    log.error("unforeseen error %s", number, exc_info=fault)
    detail = f"Slipway made a mistake; its log says more under {number}."
    return problem(500, code="error", detail=detail, fix="Try again; if it stays, report it with that number.")


def _for_programs() -> bool:
    wants_json = request.accept_mimetypes.best == "application/json"
    return request.path.startswith(PROGRAMS) or wants_json or not request.accept_mimetypes.accept_html


def _json(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), mimetype="application/problem+json")
