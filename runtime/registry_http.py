"""HTTP with an image registry: who we are (Basic, or a token bought at its realm), and another try when it is busy.

What we show it is shown to no other: a `Location` or a redirect may well name another host.
"""

import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from pipeline.errors import Unavailable
from pipeline.registries import Registry, RegistryForbidden

TIMEOUT = httpx.Timeout(10.0, read=60.0, write=60.0)
TRIES = 3
PAUSE, LONGEST_PAUSE = 0.5, 10.0
BUSY = frozenset({429, 500, 502, 503, 504})
FORBIDDEN = frozenset({401, 403})
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class RegistryHttp:
    """Requests to one registry. It keeps no connection, so that none goes stale or is shared by a fork."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._client: httpx.Client | None = None
        self._shown: dict[str, str] = {}

    def ask(self, method: str, path: str, repository: str, *, retry: bool = True, **more: Any) -> httpx.Response:
        """Return the answer to a request about a repository. Raises RegistryForbidden, Unavailable."""
        for attempt in range(TRIES):
            answer = self._authorised(method, path, repository, **more)
            if answer.status_code not in BUSY or not retry or attempt + 1 == TRIES:
                break
            time.sleep(_pause(answer, attempt))
        if answer.status_code in FORBIDDEN:
            raise self.registry.forbidden(repository)
        return answer

    @contextmanager
    def stream(self, path: str, repository: str) -> Iterator[httpx.Response]:
        """Open what a path holds. Raises RegistryForbidden, Unavailable."""
        self._authorised("HEAD", path, repository)
        try:
            headers = self._headers(repository, {})
            with self._made().stream("GET", path, headers=headers, follow_redirects=True) as answer:
                if answer.status_code in FORBIDDEN:
                    raise self.registry.forbidden(repository)
                yield answer
        except httpx.HTTPError as fault:
            raise self.unavailable(f"does not answer ({type(fault).__name__})") from fault

    def unavailable(self, what: str) -> Unavailable:
        """Return the error that says that the registry does not do what it should."""
        return Unavailable(f"the registry at {self.registry.address} {what}", code="registry_unavailable")

    def _authorised(self, method: str, path: str, repository: str, **more: Any) -> httpx.Response:
        extra = more.pop("headers", {})
        answer = self._send(method, path, headers=self._headers(repository, extra), **more)
        if answer.status_code != 401 or not self._is_own(answer.url) or not self._buy(answer, repository):
            return answer
        return self._send(method, path, headers=self._headers(repository, extra), **more)

    def _headers(self, repository: str, extra: dict[str, str]) -> dict[str, str]:
        shown = self._shown.get(repository)
        return extra | ({"Authorization": shown} if shown else {})

    def _buy(self, refusal: httpx.Response, repository: str) -> bool:
        """Do what the refusal asks for; False if that has been shown already, or cannot be."""
        scheme, _, rest = refusal.headers.get("WWW-Authenticate", "").partition(" ")
        before = self._shown.pop(repository, None)
        if scheme.lower() == "basic" and self.registry.username:
            self._shown[repository] = httpx.Request("GET", self.registry.base_url, headers=self._basic()).headers[
                "Authorization"
            ]
        elif scheme.lower() == "bearer":
            token = self._token(dict(CHALLENGE.findall(rest)), repository)
            if token:
                self._shown[repository] = f"Bearer {token}"
        return repository in self._shown and self._shown[repository] != before

    def _token(self, challenge: dict[str, str], repository: str) -> str:
        answer = self._given(self._asking(challenge, repository))
        if answer.status_code in FORBIDDEN:
            raise self.registry.forbidden(repository)
        try:
            said = answer.json()
            return str(said.get("token") or said.get("access_token") or "")
        except (ValueError, AttributeError) as fault:
            raise self.unavailable("gives no token") from fault

    def _asking(self, challenge: dict[str, str], repository: str) -> httpx.Request:
        """Return the question for a token. Raises RegistryForbidden if all could read our password in it.

        Tokens are often sold on another host: https://distribution.github.io/distribution/spec/auth/token/.
        """
        asked = {"scope": f"repository:{repository}:pull,push"}
        asked |= {"service": challenge["service"]} if "service" in challenge else {}
        request = self._built("GET", challenge.get("realm", ""), params=asked)
        own, realm = httpx.URL(self.registry.base_url), request.url
        if not self.registry.username:
            return request
        if realm.scheme != "https" and (realm.scheme, realm.host) != ("http", own.host if own.scheme == "http" else ""):
            sentence = f"the registry at {self.registry.address} wants our password sent to {realm.host} unencrypted"
            raise RegistryForbidden(sentence, fix="Let its token service (its realm) be at an https address.")
        request.headers.update(self._basic())
        return request

    def _is_own(self, url: httpx.URL) -> bool:
        return _origin(url) == _origin(httpx.URL(self.registry.base_url))

    def _basic(self) -> dict[str, str]:
        auth = httpx.BasicAuth(self.registry.username, self.registry.password)
        request = next(auth.auth_flow(httpx.Request("GET", self.registry.base_url)))
        return {"Authorization": request.headers["Authorization"]}

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request to wherever the registry says; who we are is said to the registry alone."""
        request = self._built(method, path, **more)
        if not self._is_own(request.url):
            request.headers.pop("Authorization", None)
        return self._given(request)

    def _built(self, method: str, path: str, **more: Any) -> httpx.Request:
        try:
            return self._made().build_request(method, path, **more)
        except httpx.InvalidURL as fault:
            raise self.unavailable("names an address that is none") from fault

    def _given(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._made().send(request)
        except httpx.HTTPError as fault:
            raise self.unavailable(f"does not answer ({type(fault).__name__})") from fault

    def _made(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(
                base_url=self.registry.base_url,
                timeout=TIMEOUT,
                trust_env=False,
                verify=self._trust(),
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._client

    def _trust(self) -> ssl.SSLContext | bool:
        if self.registry.base_url.startswith("http://") and not self.registry.username:
            return False  # with a name, its tokens may be sold at an https address
        trust = ssl.create_default_context()
        if self.registry.ca:
            try:
                trust.load_verify_locations(self.registry.ca)
            except (OSError, ssl.SSLError) as fault:
                sentence = (
                    f"{self.registry.settings}__CA names {self.registry.ca}, which cannot be read as certificates"
                )
                raise Unavailable(sentence, code="bad_ca") from fault
        return trust


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port  # a scheme's own port is None, written or not


def _pause(answer: httpx.Response, attempt: int) -> float:
    """Return how long a busy registry wants to be left alone, within reason."""
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked) if asked.isdigit() else PAUSE * 2**attempt, LONGEST_PAUSE)
