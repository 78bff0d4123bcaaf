"""What cleaning up needs of the outside."""

from collections.abc import Collection
from typing import Protocol

from pipeline.retention import Stored


class Storeroom(Protocol):
    """Where everything that was made is kept."""

    def lack(self) -> str | None:
        """Return a sentence about a disk with too little room, or None."""

    def stored(self) -> tuple[Stored, ...]:
        """Return the images that the engine has of this home."""

    def remove(self, reference: str) -> bool:
        """Take an image's reference from the engine; False if a container uses it."""

    def trim_cache(self) -> int:
        """Make the builder's cache as small as it is to be; return how many bytes that freed."""

    def tags(self, name: str) -> tuple[str, ...]:
        """Return the tags the registry has of an image name."""

    def remove_tag(self, name: str, tag: str, *, keep: Collection[str]) -> bool:
        """Take what a tag names from the registry, unless its digest is one to keep; tell whether it is gone."""

    def forget(self, run_id: int) -> None:
        """Remove what a run has left in files: transcripts and artifacts."""
