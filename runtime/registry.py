"""The image registry, asked by its own protocol (https://distribution.github.io/distribution/spec/api/)."""

import httpx

from pipeline.errors import Unavailable

TIMEOUT = 10.0
LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
ACCEPT = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    )
)
FOUND, NOT_FOUND = 200, 404


class HttpRegistry:
    """The registry at `address`, written as image names carry it: host and port, no scheme.

    As the engine does, it speaks plain HTTP with this machine and HTTPS with any other.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: httpx.Client | None = None

    def digest(self, repository: str, tag: str) -> str | None:
        """Return the digest of a tag or of itself, or None if the registry does not have it."""
        path = f"/v2/{repository.removeprefix(self._address).strip('/')}/manifests/{tag}"
        answer = self._head(path)
        if answer.status_code == NOT_FOUND:
            return None
        digest = answer.headers.get("Docker-Content-Digest")
        if answer.status_code != FOUND or not digest:
            raise self._unavailable(f"answered {answer.status_code} for {repository}:{tag}")
        return str(digest)

    def _head(self, path: str) -> httpx.Response:
        try:
            return self._made().head(path)
        except httpx.HTTPError as fault:
            raise self._unavailable(f"does not answer ({type(fault).__name__})") from fault

    def _made(self) -> httpx.Client:
        """Return the client; it keeps no connection, so that none goes stale or is shared by a fork."""
        if self._client is None:
            local = self._address.rsplit(":", 1)[0] in LOCAL
            self._client = httpx.Client(
                base_url=f"{'http' if local else 'https'}://{self._address}",
                headers={"Accept": ACCEPT},
                timeout=TIMEOUT,
                trust_env=False,
                verify=not local,
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._client

    def _unavailable(self, what: str) -> Unavailable:
        return Unavailable(f"the registry at {self._address} {what}", code="registry_unavailable")
