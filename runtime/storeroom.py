"""The storeroom: room on the disks, images here and in the registry, the cache of builds, what runs left in files."""

import shutil
from collections.abc import Collection
from pathlib import Path

from pipeline.names import run_name
from pipeline.registries import Registry
from pipeline.retention import Stored
from runtime.disk import Disk, places
from runtime.registry import HttpRegistry
from runtime.registry_http import RegistryHttp
from runtime.shelf import EngineShelf
from runtime.stack_daemons import COLLECT
from runtime.wire import Wire

FOUND, NOT_FOUND, DONE = 200, 404, 202
# What runs leave in the home, each in a folder by its name.
FOLDERS = ("transcripts", "artifacts")


class RealStoreroom:
    """pipeline.storeroom.Storeroom on an engine, a registry and the home's directory."""

    def __init__(self, *, host: str, home_id: str, home: Path, registry: Registry, least: int, cache: int) -> None:
        self._shelf = EngineShelf(Wire(host), home_id)
        self._disk = Disk(places(home, self._shelf.root), least)
        self._home = home
        self._registry = HttpRegistry(registry)
        self._http = RegistryHttp(registry)
        self._cache = cache

    def lack(self) -> str | None:
        """Return a sentence about a disk with too little room, or None."""
        return self._disk.lack()

    def stored(self) -> tuple[Stored, ...]:
        """Return the images that the engine has of this home."""
        return self._shelf.stored()

    def remove(self, reference: str) -> bool:
        """Take an image's reference from the engine; False if a container uses it."""
        return self._shelf.remove(reference)

    def trim_cache(self) -> int:
        """Make the builder's cache as small as it is to be; return how many bytes that freed."""
        return self._shelf.trim_cache(self._cache) if self._cache else 0

    def tags(self, name: str) -> tuple[str, ...]:
        """Return the tags the registry has of an image name."""
        repository = self._registry.registry.repository(name)
        answer = self._http.ask("GET", f"/v2/{repository}/tags/list", repository)
        if answer.status_code == NOT_FOUND:
            return ()
        if answer.status_code != FOUND:
            raise self._http.unavailable(f"answered {answer.status_code} for the tags of {repository}")
        return tuple(str(tag) for tag in answer.json().get("tags") or ())

    def remove_tag(self, name: str, tag: str, *, keep: Collection[str]) -> bool:
        """Take what a tag names from the registry, unless its digest is one to keep; tell whether it is gone."""
        repository = self._registry.registry.repository(name)
        digest = self._registry.digest(name, tag)
        if digest is None:
            return True
        if digest in keep:
            return False
        answer = self._http.ask("DELETE", f"/v2/{repository}/manifests/{digest}", repository)
        if answer.status_code not in {DONE, NOT_FOUND}:
            raise self._http.unavailable(f"does not remove {repository}:{tag}: it answered {answer.status_code}")
        ours = self._home / "registry"
        if ours.is_dir():
            (ours / COLLECT).touch()  # its own next start gives the room back
        return True

    def forget(self, run_id: int) -> None:
        """Remove what a run has left in files: transcripts and artifacts."""
        for folder in FOLDERS:
            shutil.rmtree(self._home / folder / run_name(run_id), ignore_errors=True)
