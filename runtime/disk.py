"""Room on the disks that the home and the engine are on."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.errors import SlipwayError

SHARE = 0.05


class Disk:
    """Looks at the file systems of `places`; `least` bytes, or a twentieth of a small one, must be free on each."""

    def __init__(self, places: Callable[[], Iterable[Path]], least: int) -> None:
        self._places = places
        self._least = least

    def lack(self) -> str | None:
        """Return a sentence about the first place that has too little room, or None."""
        return (
            next(filter(None, (_lack(place, self._least) for place in self._places())), None) if self._least else None
        )


def places(home: Path, engine_root: Callable[[], str]) -> Callable[[], Iterable[Path]]:
    """Return what tells where room is needed: in the home, and where the engine keeps its images, if that is here."""

    def found() -> Iterable[Path]:
        try:
            root = engine_root()
        except SlipwayError:
            root = ""  # an engine that is away is told of by whoever needs it
        return [path for path in (home, Path(root) if root else None) if path is not None and path.is_dir()]

    return found


def _lack(place: Path, least: int) -> str | None:
    try:
        facts = os.statvfs(place)
    except OSError:
        return None  # what is not there cannot be full
    total, free = facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize
    wanted = min(least, total * SHARE)
    if free >= wanted:
        return None
    return f"only {free / 1024**2:,.0f} MB are free where {place} is, and {wanted / 1024**2:,.0f} MB are wanted"
