"""What a git host's answer means: taken, never, later, or not with this token. Decided by status and headers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from notify.forge_faults import AccountRefused, Refused, Wait
from notify.forge_secrets import hidden
from pipeline.errors import SlipwayError, Unavailable
from pipeline.reports import cut

PAUSE = 60.0
SHORTEST, LONGEST = 1.0, 7200.0
AGAIN = "Give a new one: ./slipway project token NAME"
PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.LOCKED, HTTPStatus.TOO_EARLY})
RESETS = ("x-ratelimit-reset", "ratelimit-reset")
LEFT = ("x-ratelimit-remaining", "ratelimit-remaining")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a host answered, header names in lower case; `secrets` is what it was shown."""

    host: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def data(self) -> Any:
        """The body as JSON, or None if it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def spoken(self) -> bool:
        """Tell whether this is the API speaking, and not a page that stands in front of it."""
        return self.status == HTTPStatus.NO_CONTENT or isinstance(self.data, dict | list)

    @property
    def words(self) -> str:
        """What the host says of it, in one short line that repeats no secret, nor the half of one."""
        return cut(hidden(_message(self.data), self.secrets), 200)


def fault_of(answer: Answer, now: Callable[[], float]) -> SlipwayError | None:
    """Return why the host did not do it, or None if it did; `now` is seconds since 1970."""
    if _asks_to_wait(answer):
        seconds = wait_seconds(answer.headers, now)
        return Wait(f"{answer.host} asks to wait {seconds:.0f} s", seconds=seconds)
    account = _account_fault(answer)
    if account is not None:
        return account
    says = f"{answer.host} answers {answer.status}"
    told = f"{says}: {answer.words}" if answer.words else says
    if answer.status >= 500 or answer.status in PASSING:
        return Unavailable(told, code="forge_unavailable")
    if not answer.spoken:
        return Unavailable(f"{says} with something that is not its API", code="forge_unavailable")
    return Refused(told) if answer.status >= 400 else None


def wait_seconds(headers: Mapping[str, str], now: Callable[[], float]) -> float:
    """Return how long a host asks to be left alone, a minute if it says nothing sensible, two hours at most."""
    later = headers.get("retry-after", "")
    reset = next((headers[name] for name in RESETS if headers.get(name, "").isdecimal()), "")
    if later.isascii() and later.isdecimal():
        seconds = float(later)
    elif later:
        seconds = _until(later, now)
    else:
        seconds = float(reset) - now() if reset else PAUSE
    return min(max(seconds, SHORTEST), LONGEST)


def _account_fault(answer: Answer) -> AccountRefused | None:
    """Return why nothing more is to be sent with this token."""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return AccountRefused(f"{answer.host} does not take the token", fix=AGAIN)
    if answer.status == HTTPStatus.FORBIDDEN and answer.spoken:
        return AccountRefused(f"{answer.host} does not allow it: {answer.words}", code="forge_forbidden", fix=AGAIN)
    if 300 <= answer.status < 400:
        fix = "The token is not sent there. If the repository or the host has moved, say where: --api-url, --repository"
        return AccountRefused(
            f"{answer.host} answers {answer.status} and leads elsewhere", code="forge_redirects", fix=fix
        )
    return None


def _asks_to_wait(answer: Answer) -> bool:
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return "retry-after" in answer.headers
    # GitHub's secondary limits have no code of their own: 403, sometimes Retry-After, and these words.
    used_up = any(answer.headers.get(name) == "0" for name in LEFT)
    limited = "retry-after" in answer.headers or used_up or "rate limit" in answer.words.lower()
    return answer.status == HTTPStatus.FORBIDDEN and limited


def _until(date: str, now: Callable[[], float]) -> float:
    try:
        when = parsedate_to_datetime(date)
    except ValueError:
        return PAUSE
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now()


def _message(data: Any) -> str:
    """Return the words of an error, wherever the host puts them."""
    if isinstance(data, str):
        return data
    if isinstance(data, list):
        return "; ".join(filter(None, (_message(one) for one in data[:3])))
    if not isinstance(data, dict):
        return ""
    known = (data.get(name) for name in ("message", "error", "errors", "error_description", "detail"))
    words = [text for text in (_message(one) for one in known) if text]
    fields = data if not words else {}
    return ": ".join(words) or "; ".join(f"{name} {_message(one)}" for name, one in fields.items() if _message(one))
