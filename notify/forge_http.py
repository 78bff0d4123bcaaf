"""One request to a git host's API: to an address that was checked, with the token in its header and nowhere else."""

import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from notify.forge_answers import Answer, fault_of
from notify.forge_faults import AccountRefused, Silent
from notify.forge_secrets import secrets_of
from pipeline.addresses import forbidden, private

LARGEST = 1024 * 1024
Resolve = Callable[[str, int], Sequence[str]]


def look_up(host: str, port: int) -> tuple[str, ...]:
    """Return every address of a host, best first; none if its name is not known."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


@cache
def trusted() -> ssl.SSLContext:
    """Return the certificates that this machine trusts, as git does; SSL_CERT_FILE names others."""
    return ssl.create_default_context()


@dataclass(frozen=True, kw_only=True, slots=True)
class ForgeHttp:
    """Sends requests to the API at one address. `headers` hold the token, `secret` is what must never be repeated."""

    api_url: str
    headers: Mapping[str, str] = field(repr=False)
    secret: str = field(repr=False)
    timeout: float
    private_addresses: bool
    resolve: Resolve = look_up
    tls: Callable[[], ssl.SSLContext] = trusted
    now: Callable[[], float] = time.time

    def post(self, path: str, body: Mapping[str, Any], *, auth: Mapping[str, str] | None = None) -> Any:
        """Post JSON and return the JSON of the answer. Raises what `fault_of` says."""
        return self._call("POST", path, json=dict(body), headers=dict(auth or {}))

    def get(self, path: str, query: Mapping[str, str]) -> Any:
        """Return the JSON of what is at a path. Raises what `fault_of` says."""
        return self._call("GET", path, params=dict(query), headers={})

    def _call(self, method: str, path: str, *, headers: dict[str, str], **rest: Any) -> Any:
        answer = self._send(method, path, {**self.headers, **headers}, rest)
        fault = fault_of(answer, self.now)
        if fault is not None:
            raise fault
        return answer.data

    def _send(self, method: str, path: str, headers: dict[str, str], rest: dict[str, Any]) -> Answer:
        """Send to the first of the host's addresses that can be connected to; the name is looked up here only."""
        last: httpx.HTTPError | None = None
        for address in self._addresses():
            try:
                return self._send_to(address, method, path, headers, rest)
            except (httpx.ConnectError, httpx.ConnectTimeout) as fault:
                last = fault
            except httpx.HTTPError as fault:
                raise self._silent(type(fault).__name__) from fault
        raise self._silent(type(last).__name__ if last else "its name is not known") from last

    def _send_to(self, address: str, method: str, path: str, headers: dict[str, str], rest: dict[str, Any]) -> Answer:
        there = httpx.URL(self.api_url)
        url = there.copy_with(host=address, raw_path=f"{there.path.rstrip('/')}{path}".encode())
        named = {"Host": there.netloc.decode(), "User-Agent": "slipway", "Accept": "application/json", **headers}
        extensions = {} if address == there.host else {"sni_hostname": there.host}
        deadline = time.monotonic() + 3 * self.timeout
        with (
            httpx.Client(verify=self.tls(), timeout=self.timeout, trust_env=False) as client,
            client.stream(method, url, headers=named, extensions=extensions, **rest) as response,
        ):
            body = b""
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > LARGEST or time.monotonic() > deadline:
                    raise httpx.ReadTimeout("an answer without end")
            return Answer(
                host=self._host,
                status=response.status_code,
                headers=_lower(response.headers),
                body=body,
                secrets=secrets_of(headers, self.secret),
            )

    def _addresses(self) -> Sequence[str]:
        parts = urlsplit(self.api_url)
        found = self.resolve(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        for address in (one.partition("%")[0] for one in found):
            if forbidden(address) or (private(address) and not self.private_addresses):
                raise AccountRefused(
                    f"{self._host} is at {address}, an address that nothing is sent to",
                    code="private_address",
                    fix="Give the host's public address; or set SLIPWAY_SOURCE__PRIVATE_ADDRESSES=true.",
                )
        return found

    @property
    def _host(self) -> str:
        return urlsplit(self.api_url).netloc

    def _silent(self, why: str) -> Silent:
        return Silent(f"{self._host} does not answer ({why})")


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
