"""Secrets in what people read: replaced as they are written down, also in the forms in which programs print them."""

from collections.abc import Iterable

MASK = "[masked]"
# What is shorter hides too much else, and is no secret worth the name.
SHORTEST = 4


class Mask:
    """Replaces what must not be seen."""

    def __init__(self) -> None:
        self._hidden: tuple[str, ...] = ()

    def hide(self, secrets: Iterable[str]) -> None:
        """Let none of these be seen from now on; of one that has several lines, none of the lines."""
        lines = {line.strip() for secret in secrets for line in (secret, *secret.splitlines())}
        known = {line for line in lines if len(line) >= SHORTEST} | set(self._hidden)
        self._hidden = tuple(sorted(known, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """Return a text without what is hidden."""
        for secret in self._hidden:
            text = text.replace(secret, MASK)
        return text
