"""Forms that act: each carries a token that only our own pages know, so that no other site can fill one in."""

import hmac
import secrets

from flask import Flask, request, session

from pipeline.errors import Rejected

FIELD = "form_token"
BYTES = 24


def install(app: Flask) -> None:
    """Give the templates `form_token()`, which makes the session's token when a form first needs one."""
    app.context_processor(lambda: {FIELD: token})


def token() -> str:
    """Return what this session's forms carry."""
    if FIELD not in session:
        session[FIELD] = secrets.token_urlsafe(BYTES)
    return str(session[FIELD])


def check() -> None:
    """Raise Rejected for a form that does not come from a page of this session."""
    given, known = request.form.get(FIELD, ""), str(session.get(FIELD, ""))
    if not known or not hmac.compare_digest(given.encode(), known.encode()):
        raise Rejected(
            "this form is not from a page of this session", code="bad_form", fix="Open the page again, then press it."
        )
