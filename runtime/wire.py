"""The way to the container engine: one client a process, made on first use, and its errors in our words."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from requests import RequestException, Response
from urllib3.exceptions import HTTPError

from pipeline.errors import Unavailable

CONFLICT = 409
# One answer may take this many seconds; what streams or waits for longer keeps its own time.
TIMEOUT = 60
OLDEST_API = "1.24"
NEWEST_API = (1, 44)
BUILDKIT_API = (1, 39)
POOL = 32
# What a connection that breaks in the middle raises, in whichever layer it is noticed.
BROKEN = (RequestException, HTTPError, DockerException, OSError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Greeting:
    """What the engine says of itself."""

    version: tuple[int, ...]
    buildkit: bool


class Wire:
    """A container engine at `host`, such as unix:///var/run/docker.sock or tcp://10.0.0.5:2375."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._client: tuple[int, docker.APIClient, Greeting] | None = None

    @property
    def api(self) -> docker.APIClient:
        """The client of this process: a fork must not share its parent's connections."""
        return self._connected()[1]

    @property
    def greeting(self) -> Greeting:
        """What the engine said when it was first asked."""
        return self._connected()[2]

    @property
    def is_local(self) -> bool:
        """Whether the engine is on this machine, so that its routes are ours."""
        return self.host.startswith(("unix://", "/"))

    def post(self, path: str, **kwargs: Any) -> Response:
        """Post to a path of the engine's API that docker-py has no call for, and return the answer unread."""
        api: Any = self.api
        response: Response = api._post(api._url(path), stream=True, **kwargs)
        return response

    def check(self, response: Response) -> None:
        """Raise the client library's error if the engine refused."""
        api: Any = self.api
        api._raise_for_status(response)

    def removed(self, remove: Callable[[], object]) -> bool:
        """Have a thing removed, which it may be already; False if something uses it, or another removes it just now."""
        try:
            remove()
        except NotFound:
            return True
        except APIError as fault:
            if fault.status_code != CONFLICT:
                raise
            return False
        return True

    def get(self, path: str, *values: str, **params: Any) -> bytes:
        """Read a path of the engine's API that docker-py has no plain call for."""
        api: Any = self.api
        answer: bytes = api._result(api._get(api._url(path, *values), params=params), binary=True)
        return answer

    def stream(self, route: str, *values: str, **params: Any) -> Response:
        """Open a path of the engine's API whose answer is too long to be read at once."""
        api: Any = self.api
        plain = {"Accept-Encoding": "identity"}
        response: Response = api._get(
            api._url(route, *values), params=params, headers=plain, stream=True, timeout=TIMEOUT
        )
        api._raise_for_status(response)
        return response

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Turn what the engine refuses, or that it does not answer at all, into Unavailable."""
        try:
            yield
        except APIError as fault:
            raise Unavailable(f"the container engine could not {what}: {said(fault)}", code="engine_error") from fault
        except BROKEN as fault:
            raise self.gone(fault) from fault

    def gone(self, fault: BaseException) -> Unavailable:
        """Return the error that says the engine does not answer."""
        return Unavailable(
            f"the container engine does not answer at {self.host} ({type(fault).__name__})",
            code="engine_unavailable",
            fix="Start it, or set SLIPWAY_DOCKER__HOST to where it listens.",
        )

    def _connected(self) -> tuple[int, docker.APIClient, Greeting]:
        kept = self._client
        if kept is None or kept[0] != os.getpid():
            kept = self._client = self._connect()
        return kept

    def _connect(self) -> tuple[int, docker.APIClient, Greeting]:
        try:
            with _client(self.host, OLDEST_API) as first:
                greeting = _greet(first)
            return os.getpid(), _client(self.host, _text(min(greeting.version, NEWEST_API))), greeting
        except BROKEN as fault:
            raise self.gone(fault) from fault


def said(fault: APIError) -> str:
    """Return the engine's own explanation of a refusal."""
    return str(fault.explanation or fault).strip()


def _client(host: str, version: str) -> docker.APIClient:
    client = docker.APIClient(base_url=host, version=version, timeout=TIMEOUT, max_pool_size=POOL)
    # Neither a proxy nor a netrc of the environment has a say in how the engine is reached.
    client.trust_env = False
    return client


def _greet(client: Any) -> Greeting:
    answer = client._get(client._url("/_ping", versioned_api=False))
    client._raise_for_status(answer)
    version = tuple(int(part) for part in answer.headers.get("Api-Version", OLDEST_API).split("."))
    return Greeting(version=version, buildkit=_has_buildkit(answer.headers, version))


def _has_buildkit(headers: Any, version: tuple[int, ...]) -> bool:
    """Tell whether builds may ask for BuildKit: Podman answers like an engine but has another builder."""
    if headers.get("Ostype") != "linux" or "Libpod-Api-Version" in headers:
        return False
    return version >= BUILDKIT_API and headers.get("Builder-Version", "2") != "1"


def _text(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
