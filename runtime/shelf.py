"""The engine's store: a home's images, how they are taken away, how the builder's cache is kept small."""

import time
from functools import partial
from typing import Any

from pipeline.containers import HOME
from pipeline.retention import Stored
from runtime.wire import Wire

NOBODY = "<none>"


class EngineShelf:
    """Images that carry the label of `home`, and the cache that builds leave."""

    def __init__(self, wire: Wire, home: str) -> None:
        self._wire = wire
        self._home = home
        self._root: str | None = None

    def stored(self) -> tuple[Stored, ...]:
        """Return this home's images."""
        with self._wire.doing("list images"):
            found: Any = self._wire.api.images(filters={"label": f"{HOME}={self._home}"})
        return tuple(_stored(one) for one in found)

    def remove(self, reference: str) -> bool:
        """Take a reference away, and with the last one the image; False if a container uses it."""
        with self._wire.doing(f"remove the image {reference}"):
            return self._wire.removed(partial(self._wire.api.remove_image, reference))

    def trim_cache(self, most: int) -> int:
        """Make the builder's cache no larger than `most` bytes, what was used last stays; return what that freed."""
        with self._wire.doing("prune the builder's cache"):
            done: Any = self._wire.api.prune_builds(keep_storage=most)
            return int(done.get("SpaceReclaimed") or 0)

    def root(self) -> str:
        """Return where the engine keeps everything, if that is on this machine; asked once, for it takes a while."""
        if self._root is None and self._wire.is_local:
            with self._wire.doing("say where it keeps everything"):
                self._root = str(self._wire.api.info().get("DockerRootDir") or "")
        return self._root or ""


def _stored(one: dict[str, Any]) -> Stored:
    names = (*(one["RepoTags"] or ()), *(one["RepoDigests"] or ()))
    references = tuple(name for name in names if NOBODY not in name)
    return Stored(id=one["Id"], references=references, size=one["Size"], age=time.time() - one["Created"])
