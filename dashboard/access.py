"""Who may read: everybody on this machine, elsewhere whoever has the token; a name that is not ours gets nothing."""

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Request, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from pipeline.errors import Rejected, Unauthorized, WrongType

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "slipway.localhost"})
# What speaks for itself: signed webhooks, health words without names, and what the login page needs;
# an editor has no token, and the schema tells it nothing of this server.
OPEN = ("/hooks/", "/slack/", "/static/")
OPEN_PAGES = frozenset({"/healthz", "/readyz", "/login", "/schema/slipway.json"})
SIGNED = ("/hooks/", "/slack/")
# Read by programs, which a login page would only confuse.
PROGRAMS = ("/api/", "/metrics", "/openapi.json")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITE = frozenset({"", "same-origin", "none"})
SIGNED_IN = "in"


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """The rules, made of where the server listens, what it is called, and its token if it has one."""

    bind: str
    local_names: Collection[str]
    public_names: Collection[str]
    token: str | None = None

    def check(self) -> None:
        """Raise Rejected if these rules would let anybody in."""
        if not is_loopback(self.bind) and not self.token:
            raise Rejected(
                f"the web process would listen on {self.bind} for everybody and has no token",
                code="token_missing",
                fix="Set SLIPWAY_WEB__TOKEN to a long random text, or SLIPWAY_WEB__HOST=127.0.0.1.",
            )

    @property
    def open_locally(self) -> bool:
        """Tell whether this machine needs no token: nothing from elsewhere can look as if it came from here."""
        return is_loopback(self.bind) and not (self.token and self.public_names)

    def local(self, asked: Request) -> bool:
        """Tell whether a request was made on this machine, by its name and by everybody who passed it on."""
        hops = [hop.strip() for hop in asked.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
        passed_on = [*hops, asked.remote_addr or ""]
        return host_name(asked) in self.local_names and all(is_loopback(hop) for hop in passed_on)

    def known(self, host: str) -> bool:
        """Tell whether the server is called so. An address is no name that somebody else could point at us."""
        return host in self.local_names or host in self.public_names or (not is_loopback(self.bind) and is_ip(host))

    def proof(self) -> str:
        """Return what a session holds that was opened with today's token."""
        return hashlib.sha256(f"session:{self.token}".encode()).hexdigest()

    def matches(self, token: str) -> bool:
        """Tell whether this is the token."""
        return bool(self.token) and hmac.compare_digest(token.encode(), (self.token or "").encode())


def install_names(app: Flask, access: Access) -> None:
    """Answer nobody who asks for a name that is not ours."""

    @app.before_request
    def admit_name() -> None:
        """Raise Rejected for a foreign name."""
        if not access.known(host_name(request)):
            raise Rejected("this server is not called that", code="unknown_host", fix="Add it to SLIPWAY_WEB__HOSTS.")


def install(app: Flask, access: Access) -> None:
    """Put the rules in front of everything the app answers."""
    install_names(app, access)

    @app.before_request
    def admit() -> ResponseReturnValue | None:
        """Let a request in, send it to the login page, or raise what is wrong with it."""
        _refuse_other_sites(request)
        if request.path in OPEN_PAGES or request.path.startswith(OPEN) or _admitted(access, request):
            return None
        if request.path.startswith(PROGRAMS) or not request.accept_mimetypes.accept_html:
            raise Unauthorized(
                "this needs the token", code="token_needed", fix="Send Authorization: Bearer and SLIPWAY_WEB__TOKEN."
            )
        return redirect(url_for("access.login", next=request.full_path.rstrip("?")))


def host_name(asked: Request) -> str:
    """Return the name a request was made to: lower case, no port; empty if it is no name at all."""
    return _name_of(asked.headers.get("Host", ""))


@lru_cache(maxsize=256)
def _name_of(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_ip(host: str) -> bool:
    """Tell whether this is an address and not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Tell whether this leads to this machine only."""
    return host == "localhost" or (is_ip(host) and ip_address(host).is_loopback)


def _admitted(access: Access, asked: Request) -> bool:
    if access.open_locally and access.local(asked):
        return True
    if not access.token:
        return False
    kind, _, given = asked.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return access.matches(given.strip())
    return hmac.compare_digest(str(session.get(SIGNED_IN, "")).encode(), access.proof().encode())


def _refuse_other_sites(asked: Request) -> None:
    """Raise Rejected for what another site made a browser send. An application under our own domain is another site."""
    if asked.method in SAFE_METHODS or asked.path.startswith(SIGNED):
        return
    origin = asked.headers.get("Origin")
    elsewhere = origin is not None and urlsplit(origin).netloc.lower() != asked.headers.get("Host", "").lower()
    if elsewhere or asked.headers.get("Sec-Fetch-Site", "") not in OWN_SITE:
        raise Rejected("another site asked for this", code="cross_site")
    # A method that nothing answers is told so instead.
    if asked.url_rule and asked.path.startswith("/api/") and asked.mimetype != "application/json":
        raise WrongType("the API reads application/json", fix="Send Content-Type: application/json.")
