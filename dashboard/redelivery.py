"""What the inbox does again when somebody asks for it; the root hands it over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.names import run_name


class Answered(Protocol):
    """What the inbox answers: with which status, as which delivery, with which runs, and why."""

    @property
    def status(self) -> int: ...
    @property
    def delivery(self) -> int: ...
    @property
    def runs(self) -> tuple[int, ...]: ...
    @property
    def code(self) -> str: ...
    @property
    def detail(self) -> str: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Redelivery:
    """Takes a kept delivery in once more; tells whether a secret, or the project's without one, signed it, and why.

    Both raise Rejected or NotFound.
    """

    redeliver: Callable[[int], Answered]
    verify: Callable[[int, str | None], tuple[bool, str]]


def shown(answer: Answered) -> dict[str, Any]:
    """Return an answer in the shape that senders of webhooks get."""
    return {
        "delivery": str(answer.delivery),
        "runs": [run_name(number) for number in answer.runs],
        "code": answer.code,
        "detail": answer.detail,
    }
