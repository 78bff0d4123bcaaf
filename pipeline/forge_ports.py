"""What Slipway needs of git hosts to answer them; `notify/` speaks to real ones."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from pipeline.forge_account import Account
from pipeline.reports import Status
from pipeline.reports_deployment import DeploymentStatus


class Teller(Protocol):
    """One project's host, spoken to with one secret.

    Every call raises AccountRefused if nothing will be taken with this secret, Refused if this will never be taken,
    Wait if it asks to be left alone, or Unavailable.
    """

    def tell(self, revision: str, status: Status, *, ref: str) -> None:
        """Make a status of a revision this; telling it twice is the same as once."""

    def find_deployment(self, revision: str, environment: str, key: str) -> int | None:
        """Return the host's number of the deployment that carries our key, if there is one."""

    def create_deployment(self, body: Mapping[str, Any]) -> int:
        """Make a deployment and return the host's number of it."""

    def tell_deployment(self, number: int, status: DeploymentStatus) -> None:
        """Make a deployment's status this."""


class Forges(Protocol):
    """All git hosts."""

    @property
    def pause(self) -> float:
        """How many seconds to leave between two rounds of telling one subject, in which changes are drawn together."""

    def teller(self, account: Account, secret: str) -> Teller:
        """Return who tells an account's host."""

    def session(self, account: Account, key: str) -> tuple[str, datetime]:
        """Return a token for a GitHub App's installation and until when it holds."""
