"""What a change touches: which services are made anew, and whether a push is of interest at all. Pure."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.globs import matches_any
from pipeline.spec_words import show

MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Paths:
    """Which paths count: those that match one of `only`, or all if it is None, less those that match `ignore`."""

    only: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()

    def count(self, path: str) -> bool:
        """Tell whether a change of this path counts."""
        return (self.only is None or matches_any(self.only, path)) and not matches_any(self.ignore, path)

    def touched_by(self, changed: Iterable[str] | None) -> bool:
        """Tell whether one of the changed paths counts. Where nobody knows what changed, anything may have."""
        return changed is None or any(self.count(path) for path in changed)


def nothing_to_do(paths: Paths, changed: Sequence[str] | None) -> str:
    """Return why a push that changed these paths needs no run; nothing if it does, or if nobody knows what it changed.

    A push that changed nothing at all is an empty commit somebody made on purpose: it runs.
    """
    if not changed or paths.touched_by(changed):
        return ""
    ignoring = [pattern for pattern in paths.ignore if any(matches_any([pattern], path) for path in changed)]
    if all(matches_any(paths.ignore, path) for path in changed):
        return f"nothing to do: only {_named(ignoring)} changed"
    return f"nothing to do: only {_named(changed)} changed"


def recipe(service: dict[str, Any], dockerfile: bytes) -> str:
    """Return a digest of how a service's image is made and served, as its part of the configuration says it."""
    said = json.dumps(service, sort_keys=True, ensure_ascii=False).encode()
    return hashlib.sha256(hashlib.sha256(said).digest() + dockerfile).hexdigest()


def _named(words: Sequence[str]) -> str:
    """Return the first few of these as people list them."""
    shown, more = [show(word) for word in words[:MOST_NAMED]], len(words) - MOST_NAMED
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
