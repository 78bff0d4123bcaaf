"""The order of automatic deployments: what comes must contain what serves, by git's history and by no clock. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.deployment import Release
from pipeline.names import deployment_name, short

Descends = Callable[[str, str], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Behind:
    """A release that would replace what it does not come after."""

    new: Release
    live: Release


def behind(live: Iterable[Release], new: Iterable[Release], descends: Descends) -> Behind | None:
    """Return the first of the new releases whose revision does not contain the one it would replace.

    `descends(revision, ancestor)` tells what git knows. A service that does not serve yet is replaced by nothing.
    """
    serving = {one.service: one for one in live}
    after: dict[tuple[str, str], bool] = {}
    for one in new:
        there = serving.get(one.service, one)
        pair = one.revision, there.revision
        if pair not in after:
            after[pair] = one.revision == there.revision or descends(*pair)
        if not after[pair]:
            return Behind(new=one, live=there)
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a release is held back: in which environment, since which deployment it serves what it serves."""

    project: str
    environment: str
    since: int


def held(found: Behind, place: Place, *, services: Iterable[str], forced: str = "") -> str:
    """Return why a deployment is held, and the line that does it anyway.

    `services` are those it is of, none for all of the project; `forced` says what was done to the branch, if it was.
    """
    new, live = short(found.new.revision), short(found.live.revision)
    named = [f"{place.project}/{service}" for service in services] or [place.project]
    line = f"deploy {' '.join(f'{name}@{new}' for name in named)} to {place.environment}"
    rewritten = f"{forced}: " if forced else ""
    since = f"which serves in {place.environment} since {deployment_name(place.since)}"
    return f"held: {rewritten}{new} does not come after {live}, {since}; `{line}` does it anyway"
