"""What hosts share that know commit statuses and nothing of deployments."""

from collections.abc import Mapping
from typing import Any

from notify.forge_faults import Refused
from pipeline.reports_deployment import DeploymentStatus


class NoDeployments:
    """A host that is never told of deployments."""

    __slots__ = ()

    def find_deployment(self, revision: str, environment: str, key: str) -> int | None:
        """Find nothing."""
        return None

    def create_deployment(self, body: Mapping[str, Any]) -> int:
        """Refuse to make one."""
        raise Refused("this host knows no deployments", code="no_deployments")

    def tell_deployment(self, number: int, status: DeploymentStatus) -> None:
        """Refuse to tell of one."""
        raise Refused("this host knows no deployments", code="no_deployments")
