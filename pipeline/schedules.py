"""When what comes again and again is due. Pure: the time is passed in, in seconds since 1970."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from cronsim import CronSim


def next_due(cron: str, after: float) -> float:
    """Return the first time after `after` that five fields of cron mean, in UTC.

    However many were missed, the next one is the one that is still to come.
    """
    return next(CronSim(cron, datetime.fromtimestamp(after, UTC))).timestamp()


def key_of(cron: str, branch: str, stages: Sequence[str] | None) -> str:
    """Return what tells one schedule of a project from the others: all that it says."""
    return json.dumps([cron, branch, None if stages is None else list(stages)])
