"""What a look at a repository says that nobody has told: refs that moved, came or went without a webhook."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.ports import Tip
from pipeline.push import TAGS, Push, Tag

# A webhook may be on its way while we look: only what a second look so much later still finds was never told.
SECOND_LOOK = timedelta(seconds=10)
GONE = "gone"
# Where more than half of more refs than this are gone at once, the host is more likely wrong than right.
FEW = 20
SHORTEST_PAUSE = 0.8
LONGEST_BACK_OFF = 1800.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What a ref was when we last heard of it, nothing if we never did.

    `candidate` is the first news of it since, noted at `seen_at`: what a look saw then, or that it was gone.
    """

    revision: str
    candidate: str
    seen_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What follows from one look.

    `sure` was found twice; `noted` is news to look at again, as `candidate` says it; `waiting` is noted already, and
    so is `doubted`, but left for a later round; `settled` is news no longer; `vanished` came and went untold.
    """

    sure: tuple[Push, ...] = ()
    noted: Mapping[str, str]
    waiting: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()

    @property
    def again(self) -> bool:
        """Tell whether a second look is due."""
        return bool(self.noted or self.waiting)


def compare(tips: Mapping[str, Tip], known: Mapping[str, Known], now: datetime, *, every: float) -> Look:
    """Return what a look at `now` found, given what is known of each ref, with a look `every` so many seconds.

    A ref that moves on between two looks is news since the first: its tip is sure, although no look saw it before.
    """
    news = {ref: tip.revision for ref, tip in tips.items() if not _told(tip, known.get(ref))}
    gone = {ref: GONE for ref, one in known.items() if ref not in tips and one.revision}
    doubtful = gone.keys() if _too_many(len(gone), known) else frozenset()
    news |= gone
    noted = {ref: what for ref, what in news.items() if ref not in known or not _same_kind(known[ref].candidate, what)}
    old = news.keys() - noted.keys()
    third_look = timedelta(seconds=every * SHORTEST_PAUSE)
    sure = {ref for ref in old if now - known[ref].seen_at >= (third_look if ref in doubtful else SECOND_LOOK)}
    return Look(
        sure=tuple(_event(ref, news[ref], known[ref].revision) for ref in _ordered(sure)),
        noted=noted,
        waiting=_ordered(old - sure - doubtful),
        doubted=_ordered((old & doubtful) - sure),
        settled=_ordered(ref for ref, one in known.items() if one.candidate and ref in tips and ref not in news),
        vanished=_ordered(ref for ref, one in known.items() if ref not in tips and not one.revision),
    )


def all_gone(tips: Mapping[str, Tip], known: Mapping[str, Known]) -> bool:
    """Tell whether a host shows nothing at all of what was there: that is no answer, whatever became of the refs."""
    return not tips and any(one.revision for one in known.values())


def pause(project_id: int, round_: int, seconds: float) -> float:
    """Return how long to leave a project alone after its so-manieth look: `seconds`, a fifth more or less."""
    return seconds * (SHORTEST_PAUSE + 0.4 * spread(f"{project_id}:{round_}"))


def back_off(project_id: int, failures: int, seconds: float) -> float:
    """Return how long to leave a host alone that has failed so many looks in a row: 2, 4, 8, … times `seconds`.

    No longer than half an hour, or than `seconds` where that is more; a fifth more or less.
    """
    longest = max(LONGEST_BACK_OFF, seconds)
    return pause(project_id, failures, min(seconds * 2.0 ** min(failures, 30), longest))


def spread(text: str) -> float:
    """Return a number from 0 to 1 that is always the same for the same text, and no friend of another's."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def _told(tip: Tip, known: Known | None) -> bool:
    """Tell whether we heard of it: some hosts tell an annotated tag's object, others the commit it means."""
    return known is not None and known.revision in {tip.revision, tip.commit}


def _too_many(gone: int, known: Mapping[str, Known]) -> bool:
    """Tell whether so many refs are gone at once that one should look more than twice before believing it."""
    there = sum(bool(one.revision) for one in known.values())
    return there > FEW and 2 * gone > there


def _same_kind(candidate: str, what: str) -> bool:
    """Tell whether a look has noted before that a ref moved, or that it went away, as it has now."""
    return bool(candidate) and (candidate == GONE) == (what == GONE)


def _event(ref: str, what: str, before: str) -> Push:
    nothing = "0" * len(before if what == GONE else what)
    kind = Tag if ref.startswith(TAGS) else Push
    return kind(ref=ref, before=before or nothing, after=nothing if what == GONE else what)


def _ordered(refs: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(refs))
