"""Health: when a container that has started may be given requests."""

from collections.abc import Iterator
from dataclasses import dataclass

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthCheck:
    """An HTTP probe from outside the container; without a path any open port will do. Times in seconds."""

    path: str | None = None
    timeout: float = 5.0
    within: float = 30.0
    rise: int = 1


def pauses() -> Iterator[float]:
    """Yield how long to wait between probes: 20 ms at first, then longer and longer, up to a second."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.5, LONGEST_PAUSE)
