"""What is kept: images by number, runs and logs by age; what is in use always."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

REVISION = re.compile(r"(?P<revision>[0-9a-f]{40}|[0-9a-f]{64})(?:-.*)?")
# An image is made and named before it is recorded: this young it is somebody's work.
FRESH = 3_600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """An image as the database knows it; `digests` are all that was published of it."""

    id: int
    project_id: int
    name: str
    revision: str
    digests: frozenset[str]
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class InUse:
    """What must stay: references (`name@digest`) that something runs or goes back to, revisions that are at work."""

    references: frozenset[str] = frozenset()
    revisions: frozenset[tuple[int, str]] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """What the database knows of one image name: everything else that lies there under it may go."""

    revisions: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """An image that the engine has: everything it is called, tags and digests alike."""

    id: str
    references: tuple[str, ...]
    size: int
    age: float


def spare(images: Iterable[Built], keep: Mapping[int, int], used: InUse) -> list[Built]:
    """Return the images that may go: not among the newest of their service, and not in use. Newest first.

    `keep` is how many of each service a project wants.
    """
    seen: dict[tuple[int, str], int] = defaultdict(int)
    found = []
    for image in sorted(images, key=lambda one: -one.id):
        place = (image.project_id, image.name)
        seen[place] += 1
        if seen[place] > keep.get(image.project_id, seen[place]) and not _in_use(image, used):
            found.append(image)
    return found


def unknown_tags(tags: Iterable[str], shelf: Shelf) -> Iterator[str]:
    """Yield the tags of commits that nobody knows; tags that move, such as a branch's, are not judged."""
    for tag in tags:
        match = REVISION.fullmatch(tag)
        if match and match["revision"] not in shelf.revisions:
            yield tag


def unwanted(stored: Stored, shelves: Mapping[str, Shelf]) -> tuple[str, ...]:
    """Return what to take from an image's references: all of them, once none is known, or nothing.

    Of names that no shelf is for, such as base images, nothing is taken, nor of an image that was made just now.
    """
    if stored.age < FRESH:
        return ()
    ours = [one for one in stored.references if _name(one) in shelves]
    if not any(_is_revision(one) for one in ours) or any(_known(one, shelves) for one in ours):
        return ()
    return tuple(ours)


def toolchains(stored: Iterable[Stored], prefix: str, used: InUse) -> dict[str, Shelf]:
    """Return shelves for the images that build containers are made of: one that no commit is at work with may go."""
    names = {_name(one) for image in stored for one in image.references if one.startswith(prefix)}
    return dict.fromkeys(names, Shelf(revisions=frozenset(revision for _, revision in used.revisions)))


def tags(stored: Stored, name: str) -> list[str]:
    """Return an image's tags of one name, those of commits first."""
    found = [one for one in stored.references if "@" not in one and _name(one) == name]
    return sorted(found, key=lambda one: not _is_revision(one))


def _in_use(image: Built, used: InUse) -> bool:
    if (image.project_id, image.revision) in used.revisions:
        return True
    return any(f"{image.name}@{digest}" in used.references for digest in image.digests)


def _known(reference: str, shelves: Mapping[str, Shelf]) -> bool:
    shelf = shelves[_name(reference)]
    if "@" in reference:
        return reference.partition("@")[2] in shelf.digests
    match = REVISION.fullmatch(reference.rpartition(":")[2])
    return bool(match and match["revision"] in shelf.revisions)


def _is_revision(reference: str) -> bool:
    return "@" in reference or REVISION.fullmatch(reference.rpartition(":")[2]) is not None


def _name(reference: str) -> str:
    return reference.partition("@")[0] if "@" in reference else reference.rpartition(":")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ages:
    """How long a project's runs and their logs are kept, in days, and how many images of each service."""

    images: int
    runs: float
    logs: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What is past its time: images, runs with all they have, and runs of which only the logs go."""

    images: tuple[Built, ...] = ()
    runs: tuple[int, ...] = ()
    logs: tuple[int, ...] = field(default_factory=tuple)


def share(sizes: Collection[int]) -> str:
    """Return a number of bytes as people say it."""
    return f"{sum(sizes) / 1024**2:,.0f} MB"
