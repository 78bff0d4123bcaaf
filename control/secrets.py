"""Set and remove secrets: for all projects, for one, or for one environment."""

import re
from datetime import datetime

from sqlalchemy.orm import Session

from pipeline.errors import NotFound, Rejected
from pipeline.project import check_name
from store import projects, secrets
from store.sealing import Seal
from store.secrets import EVERYBODY, Scope

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
MOST_BYTES = 64 * 1024


def put(session: Session, seal: Seal, scope: Scope, name: str, value: str, *, by: str, at: datetime) -> None:
    """Keep a secret in place of the one of that name and scope. Raises Rejected or NotFound."""
    _check(session, scope)
    if not NAME.fullmatch(name):
        raise Rejected(
            f"{name[:80]!r} is not the name of a secret: letters, digits and _, like a variable",
            code="bad_secret_name",
            fix="Such as DEPLOY_TOKEN: stages and builds see it under that name.",
        )
    secrets.put(session, seal, scope, name, checked(value), by=by, at=at)


def checked(value: str) -> str:
    """Return a value that can be kept, and given to a program. Raises Rejected."""
    if not value or "\0" in value:
        raise Rejected(
            f"a secret is text without NUL, not {'empty' if not value else 'bytes'}",
            code="bad_secret",
            fix="Encode bytes first: base64 FILE | slipway secret set NAME",
        )
    if len(value.encode("utf-8", "replace")) > MOST_BYTES:
        raise Rejected("a secret has at most 64 KiB", code="bad_secret", fix="Keep a key to what is larger.")
    return value


def scope_of(word: str) -> Scope:
    """Return the scope that `all`, `PROJECT`, `PROJECT:ENVIRONMENT` or `all:ENVIRONMENT` stands for."""
    project, _, environment = word.partition(":")
    return Scope(project="" if project == EVERYBODY else project, environment=environment)


def _check(session: Session, scope: Scope) -> None:
    if scope.project and projects.find(session, scope.project) is None:
        raise NotFound(f"there is no project {scope.project[:80]}", fix="./slipway project list")
    if scope.environment:
        check_name(scope.environment, "environment")
