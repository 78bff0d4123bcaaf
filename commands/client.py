"""Speaking to a Slipway over its HTTP API, here or on another machine."""

import getpass
import os
from typing import Any, BinaryIO, Self

import httpx

from config.settings import Settings
from pipeline.errors import Conflict, NotFound, Rejected, Unauthorized, Unavailable

SECONDS = 10.0
BY_STATUS: dict[int, type[Rejected]] = {401: Unauthorized, 404: NotFound, 409: Conflict}


class Client:
    """The API at SLIPWAY_URL with SLIPWAY_TOKEN, or at this home's own address with its own token."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        settings = None if url else Settings()
        self.url = (url or os.environ.get("SLIPWAY_URL") or (settings.web_url if settings else "")).rstrip("/")
        own = settings.web.token if settings and not os.environ.get("SLIPWAY_URL") else None
        token = token or os.environ.get("SLIPWAY_TOKEN") or (own.get_secret_value() if own else None)
        # At this machine's own shell it is known who asks; elsewhere a name of that machine says nothing here.
        self.me = _me() if settings and not os.environ.get("SLIPWAY_URL") else {}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int | None) -> Any:
        """Return what the API says. Raises Rejected or Unavailable."""
        wanted = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", path, params=wanted).json()

    def log(self, path: str, offset: int = 0, *, lines: int | None = None) -> tuple[bytes, int, bool]:
        """Return a stage's log from a byte on, or its last lines; where to read on, and whether that was all.

        Raises Rejected or Unavailable.
        """
        answer = self._ask("GET", path, params={"from": offset} if lines is None else {"lines": lines})
        went_on = answer.headers.get("X-Slipway-Next")
        after = int(went_on) if went_on else offset + len(answer.content)
        return answer.content, after, answer.headers.get("X-Slipway-Ended", "true") == "true"

    def fetch(self, path: str, into: BinaryIO) -> int:
        """Write a file as it comes, and return how many bytes it has. Raises Rejected or Unavailable."""
        size = 0
        try:
            with self._http.stream("GET", f"/api/v1{path}") as answer:
                if not answer.is_success:
                    answer.read()
                    raise _fault(answer, self.url)
                for piece in answer.iter_bytes():
                    size += into.write(piece)
        except httpx.HTTPError as fault:
            raise Unavailable(f"{self.url} has not sent all of it: {type(fault).__name__}") from fault
        return size

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Ask for something to be done. Raises Rejected or Unavailable."""
        return self._ask("POST", path, json=body).json()

    def put(self, path: str, body: dict[str, Any]) -> Any:
        """Set something. Raises Rejected or Unavailable."""
        return self._ask("PUT", path, json=body).json()

    def delete(self, path: str) -> Any:
        """Remove something. Raises Rejected or Unavailable."""
        return self._ask("DELETE", path, json={}).json()

    def hook(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Post a webhook and return the status and what was said, whatever it was. Raises Unavailable."""
        answer = self._send("POST", path, content=body, headers=headers)
        try:
            said = answer.json()
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise Unavailable(f"{self.url} answered {answer.status_code}: is that a Slipway?")
        return answer.status_code, said

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self._send(method, f"/api/v1{path}", **options)
        if answer.is_success:
            return answer
        raise _fault(answer, self.url)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as fault:
            raise Unavailable(
                f"nobody answers at {self.url}", fix="Start it with ./slipway up -d, or set SLIPWAY_URL."
            ) from fault


def _me() -> dict[str, str]:
    """Return who is at this shell, as what the API reads; nothing if that is no address it takes."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return {}
    return {"as": f"{name}@localhost"} if name.isascii() and name.isprintable() else {}


def _fault(answer: httpx.Response, url: str) -> Rejected | Unavailable:
    try:
        problem = answer.json()
        words = {"code": str(problem["code"]), "fix": str(problem.get("fix", ""))}
        sentence = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        words, sentence = {}, f"{url} answered {answer.status_code}: is that a Slipway?"
    if answer.status_code >= 500 or not words:
        return Unavailable(sentence, **words)
    return BY_STATUS.get(answer.status_code, Rejected)(sentence, **words)
