"""The image registry, asked by its own protocol (https://distribution.github.io/distribution/spec/api/)."""

from collections.abc import Iterable

from pipeline.registries import Registry
from runtime.registry_http import RegistryHttp

ACCEPT = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    )
)
FOUND, CREATED, TAKEN, NOT_FOUND = 200, 201, 202, 404


class HttpRegistry:
    """One registry, as image names carry its address."""

    def __init__(self, registry: Registry | str) -> None:
        self.registry = Registry(address=registry) if isinstance(registry, str) else registry
        self._http = RegistryHttp(self.registry)

    def digest(self, repository: str, tag: str) -> str | None:
        """Return the digest of a tag or of itself, or None if the registry does not have it."""
        name = self.registry.repository(repository)
        answer = self._http.ask("HEAD", f"/v2/{name}/manifests/{tag}", name, headers={"Accept": ACCEPT})
        if answer.status_code == NOT_FOUND:
            return None
        digest = answer.headers.get("Docker-Content-Digest")
        if answer.status_code != FOUND or not digest:
            raise self._http.unavailable(f"answered {answer.status_code} for {repository}:{tag}")
        return str(digest)

    def tag(self, repository: str, digest: str, tags: Iterable[str]) -> None:
        """Give an image that is there more tags; it is only named, nothing of it travels. Raises Unavailable."""
        name, wanted = self.registry.repository(repository), tuple(tags)
        if not wanted:
            return
        found = self._http.ask("GET", f"/v2/{name}/manifests/{digest}", name, headers={"Accept": ACCEPT})
        if found.status_code != FOUND:
            raise self._http.unavailable(f"answered {found.status_code} for {repository}@{digest}")
        kind = {"Content-Type": found.headers.get("Content-Type", "")}
        for tag in wanted:
            put = self._http.ask("PUT", f"/v2/{name}/manifests/{tag}", name, content=found.content, headers=kind)
            if put.status_code != CREATED or put.headers.get("Docker-Content-Digest", digest) != digest:
                raise self._http.unavailable(f"answered {put.status_code} to the tag {repository}:{tag}")

    def check_push(self, repository: str) -> None:
        """Begin an upload and call it off. Raises RegistryForbidden if we may not, Unavailable if it cannot be."""
        name = self.registry.repository(repository)
        answer = self._http.ask("POST", f"/v2/{name}/blobs/uploads/", name, retry=False)
        if answer.status_code != TAKEN:
            raise self._http.unavailable(f"takes nothing for {repository}: it answered {answer.status_code}")
        if where := answer.headers.get("Location"):
            self._http.ask("DELETE", where, name, retry=False)
