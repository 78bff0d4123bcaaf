"""The login page: the token is pasted once, a signed cookie remembers it."""

import os
import secrets
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Flask, redirect, render_template, request, session
from flask.typing import ResponseReturnValue

from dashboard.access import SIGNED_IN, Access

KEY_BYTES = 32


def make_login(access: Access) -> Blueprint:
    """Return the blueprint of /login and /logout."""
    login = Blueprint("access", __name__)

    @login.get("/login", endpoint="login")
    def show() -> ResponseReturnValue:
        """Ask for the token."""
        return render_template(
            "login.html", next=_inside(request.args.get("next")), wrong=False, has_token=access.token
        )

    @login.post("/login")
    def enter() -> ResponseReturnValue:
        """Let in whoever has the token."""
        target = _inside(request.form.get("next"))
        if not access.matches(request.form.get("token", "").strip()):
            return render_template("login.html", next=target, wrong=True, has_token=access.token), 401
        session.clear()
        session[SIGNED_IN] = access.proof()
        session.permanent = True
        return redirect(target)

    @login.post("/logout")
    def leave() -> ResponseReturnValue:
        """Forget who is here."""
        session.clear()
        return redirect("/login")

    return login


def sign_cookies(app: Flask, key: Path, *, https: bool) -> None:
    """Make the session a signed cookie that scripts, other sites and sub-domains cannot read or set."""
    app.secret_key = read_key(key)
    app.permanent_session_lifetime = timedelta(days=30)
    app.config.update(
        SESSION_COOKIE_NAME="__Host-slipway" if https else "slipway",
        SESSION_COOKIE_SECURE=https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )


def read_key(path: Path) -> bytes:
    """Return the key that the file holds, making it if there is none; several processes may do so at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        try:
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    key = path.read_bytes()
    if len(key) < KEY_BYTES:
        raise ValueError(f"{path} holds no key; remove it to have one made")
    return key


def _inside(target: str | None) -> str:
    """Return a path of this site, `/` for anything that could lead elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or not target.isprintable():
        return "/"
    parts = urlsplit(target)
    return "/" if parts.scheme or parts.netloc or "\\" in target else target
