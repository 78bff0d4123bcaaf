"""Copies of a stage that run beside each other, each with a network, backing services and names of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.containers import Limits, labels
from pipeline.errors import Cancelled
from pipeline.names import run_name
from pipeline.pieces import led
from workers.stage import Scene


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """One shard of a stage; without shards it is the only copy, number 0 of 1."""

    scene: Scene
    number: int = 0
    of: int = 1
    stop: Callable[[], bool]

    @property
    def spec(self) -> Mapping[str, Any]:
        """What the stage is to do."""
        return self.scene.work.spec

    @property
    def limits(self) -> Limits:
        """How long the stage's command may take, and say nothing."""
        default = self.scene.ctx.test_limits
        return Limits(
            seconds=self.spec.get("timeout") or default.seconds, silence=self.spec.get("silence") or default.silence
        )

    @property
    def name(self) -> str:
        """The name of its container and of its network."""
        return self.name_at(self.scene.work.attempt)

    @property
    def earlier(self) -> tuple[str, ...]:
        """The names it had in the attempts before this one."""
        return tuple(self.name_at(attempt) for attempt in range(1, self.scene.work.attempt))

    def name_at(self, attempt: int) -> str:
        """Return its name in an attempt: a worker that wakes from the dead must not take away what the next one made.

        No part of it can hold the signs between the parts.
        """
        ctx, work = self.scene.ctx, self.scene.work
        again = f"_a{attempt}" if attempt > 1 else ""
        shard = f"_{self.number}" if self.number else ""
        return f"slipway-{ctx.home}-{run_name(work.run_id)}-{work.stage.name}{again}{shard}"

    def backing(self, service: str) -> str:
        """The name of a backing service's container."""
        return f"{self.name}.{service}"

    @property
    def folder(self) -> str:
        """Where its artifacts are among the stage's."""
        return f"shard-{self.number}/" if self.number else ""

    def marks(self, service: str = "") -> dict[str, str]:
        """Return the labels of what is made for it."""
        work = self.scene.work
        known = {"project": self.scene.project.name, "service": service, "revision": work.revision}
        where = {"run": run_name(work.run_id), "stage": work.stage.name}
        return labels(self.scene.ctx.home, **{key: value for key, value in (known | where).items() if value})

    def write(self, line: str) -> None:
        """Write a line of the transcript."""
        self.scene.transcript.write(led(f"[{self.number}/{self.of}] ", line) if self.number else line)

    def check_stop(self) -> None:
        """Raise Cancelled if nobody wants this any more."""
        if self.stop():
            raise Cancelled(f"{self.scene.work.stage.name} was called off")
