"""Nothing that a git host was shown is repeated when it says it again, whole or in the clothes a header gives it."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

HIDDEN = "***"


def secrets_of(headers: Mapping[str, str], secret: str) -> tuple[str, ...]:
    """Return every way in which what a request shows might be repeated, the longest first."""
    word = headers.get("Authorization", "").rpartition(" ")[2]
    return tuple(sorted({form for one in (secret, word) if one for form in _forms(one)}, key=len, reverse=True))


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Return a text without the secrets."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    if unpadded := secret.rstrip("="):
        yield unpadded
