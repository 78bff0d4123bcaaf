"""Secrets as the API and the settings page know them: set, removed, listed by name; no value ever comes back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from control import secrets
from store import secrets as kept
from store.sealing import Seal
from store.session import Database
from store.views import when


@dataclass(frozen=True, kw_only=True, slots=True)
class Vault:
    """Where secrets are kept, and what seals them."""

    database: Database
    seal: Seal
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def listed(self) -> list[dict[str, Any]]:
        """Return every secret without its value."""
        with self.database.read() as session:
            return [_shown(one) for one in kept.names(session)]

    def put(self, scope: str, name: str, value: str, *, by: str) -> dict[str, Any]:
        """Keep a secret and return it as it is shown. Raises Rejected or NotFound."""
        whose = secrets.scope_of(scope)
        with self.database.begin() as session:
            secrets.put(session, self.seal, whose, name, value, by=by, at=self.now())
            return next(_shown(one) for one in kept.names(session) if (one.scope, one.name) == (whose, name))

    def drop(self, scope: str, name: str) -> None:
        """Forget a secret. Raises NotFound."""
        with self.database.begin() as session:
            kept.drop(session, secrets.scope_of(scope), name)


def _shown(one: kept.Known) -> dict[str, Any]:
    return {
        "name": one.name,
        "scope": one.scope.word,
        "project": one.scope.project or None,
        "environment": one.scope.environment or None,
        "set_by": one.set_by,
        "set_at": when(one.set_at),
    }
