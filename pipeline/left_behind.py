"""Files that a container leaves behind: what is looked for where, as patterns of absolute paths."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from pipeline.globs import matches

SIGNS = frozenset("*?")
LONGEST_PATH = 1024


class Use(StrEnum):
    """What a file is for."""

    JUNIT = "junit"
    COVERAGE = "coverage"
    FILES = "files"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The patterns of a stage's reports."""

    patterns: Mapping[Use, tuple[str, ...]]

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders, or files, that everything wanted lies in; none of them lies in another."""
        found = sorted({root_of(pattern) for patterns in self.patterns.values() for pattern in patterns})
        return tuple(root for root in found if not any(_within(root, other) for other in found if other != root))

    def uses(self, path: str) -> frozenset[Use]:
        """Return what a file is wanted for."""
        return frozenset(use for use, patterns in self.patterns.items() if any(matches(one, path) for one in patterns))


def wanted(reports: Mapping[str, Any] | None) -> Wanted:
    """Return what a stage's `reports` ask for."""
    said = reports or {}
    return Wanted(patterns={use: tuple(said.get(use) or ()) for use in Use})


def root_of(pattern: str) -> str:
    """Return the longest path at the start of a pattern that holds no wildcard."""
    parts: list[str] = []
    for part in PurePosixPath(pattern).parts:
        if SIGNS & set(part):
            break
        parts.append(part)
    return str(PurePosixPath(*parts))


def path_of(root: str, member: str) -> str | None:
    """Return the absolute path of a member of the archive of `root`; None for a name that leads elsewhere."""
    path = PurePosixPath(root).parent / PurePosixPath(member)
    if len(member) > LONGEST_PATH or ".." in path.parts or not _within(str(path), root):
        return None
    return str(path)


def too_wide(roots: Iterable[str]) -> bool:
    """Tell whether somebody asks for the whole of a container."""
    return any(root in {"/", "."} for root in roots)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
