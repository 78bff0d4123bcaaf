"""An image from one registry to another, byte for byte: its digest there is its digest here; no engine is needed."""

import json
from collections.abc import Iterator
from typing import Any

from pipeline.errors import Cancelled, StageFailed
from pipeline.ports import Line, Stop
from pipeline.registries import Registry
from runtime.registry import ACCEPT, FOUND, NOT_FOUND, TAKEN
from runtime.registry_http import RegistryHttp

CREATED = 201
CHUNK = 1024 * 1024
MANIFESTS = frozenset(ACCEPT.split(", "))


class RegistryCopies:
    """pipeline.ports.Copies: takes images from our registry to others."""

    def __init__(self, ours: Registry) -> None:
        self._ours = ours

    def copy(self, name: str, digest: str, target: Registry, *, tag: str, line: Line, stop: Stop) -> str:
        """Copy an image and return its name there; what is there already is not sent again.

        Raises StageFailed if ours does not have it, RegistryForbidden, Unavailable, Cancelled.
        """
        there = f"{target.address}/{name.removeprefix(f'{self._ours.address}/')}"
        _Copy((self._ours, name), (target, there), line, stop).manifest(digest, tag)
        return there


class _Copy:
    """One image on its way."""

    def __init__(self, source: tuple[Registry, str], target: tuple[Registry, str], line: Line, stop: Stop) -> None:
        (ours, here), (theirs, there) = source, target
        self._from, self._to = RegistryHttp(ours), RegistryHttp(theirs)
        self._source, self._target = ours.repository(here), theirs.repository(there)
        # Within one registry a layer need not travel.
        self._mountable = ours.host == theirs.host
        self._line, self._stop = line, stop

    def manifest(self, digest: str, tag: str) -> None:
        """Copy a manifest and all that it names, it itself last: a tag never names what is not whole."""
        path = f"/v2/{self._source}/manifests/{digest}"
        found = self._from.ask("GET", path, self._source, headers={"Accept": ACCEPT})
        if found.status_code == NOT_FOUND:
            raise StageFailed(f"the registry no longer has {digest}", code="image_lost")
        if found.status_code != FOUND:
            raise self._from.unavailable(f"answered {found.status_code} for {self._source}@{digest}")
        kind = found.headers.get("Content-Type", "")
        for part in _parts(json.loads(found.content)):
            if part["mediaType"] in MANIFESTS:
                self.manifest(part["digest"], part["digest"])
            elif not part.get("urls"):
                self._blob(part["digest"], int(part["size"]))
        put = self._to.ask(
            "PUT",
            f"/v2/{self._target}/manifests/{tag}",
            self._target,
            content=found.content,
            headers={"Content-Type": kind},
        )
        there = put.headers.get("Docker-Content-Digest", digest)
        if put.status_code != CREATED or there != digest:
            raise self._to.unavailable(f"answered {put.status_code} to {self._target}:{tag}, and has {there}")
        self._line(f"{tag} is {digest}")

    def _blob(self, digest: str, size: int) -> None:
        if self._stop():
            raise Cancelled("the copy was stopped")
        path = f"/v2/{self._target}/blobs/{digest}"
        if self._to.ask("HEAD", path, self._target).status_code == FOUND:
            return
        mount = {"mount": digest, "from": self._source} if self._mountable else {}
        begun = self._to.ask("POST", f"/v2/{self._target}/blobs/uploads/", self._target, params=mount)
        if begun.status_code == CREATED:
            return
        where = begun.headers.get("Location")
        if begun.status_code != TAKEN or not where:
            raise self._to.unavailable(f"takes nothing for {self._target}: it answered {begun.status_code}")
        self._line(f"sending {digest[7:19]}, {size:,} bytes")
        self._send(where, digest, size)

    def _send(self, where: str, digest: str, size: int) -> None:
        with self._from.stream(f"/v2/{self._source}/blobs/{digest}", self._source) as blob:
            if blob.status_code != FOUND:
                raise self._from.unavailable(f"answered {blob.status_code} for the layer {digest}")
            put = self._to.ask(
                "PUT",
                f"{where}{'&' if '?' in where else '?'}digest={digest}",
                self._target,
                content=self._watched(blob.iter_raw(CHUNK)),
                headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
                retry=False,
            )
        if put.status_code != CREATED:
            raise self._to.unavailable(f"did not take the layer {digest}: it answered {put.status_code}")

    def _watched(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._stop():
                raise Cancelled("the copy was stopped")
            yield chunk


def _parts(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a manifest names: of an index its manifests, of an image its configuration and its layers."""
    if "manifests" in manifest:
        return list(manifest["manifests"])
    return [manifest["config"], *manifest["layers"]]
