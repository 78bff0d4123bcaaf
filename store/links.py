"""Addresses: where people find what the database holds."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    """Makes addresses from where the web process and the proxy answer."""

    web: str
    proxy_port: int = 80

    def run(self, run_id: int) -> str:
        """Return a run's page."""
        return f"{self.web}/runs/r{run_id}"

    def log(self, run_id: int, stage: str) -> str:
        """Return the plain text of what a stage has written."""
        return f"{self.web}/api/v1/runs/r{run_id}/stages/{quote(stage, safe='')}/log"

    def deployment(self, deployment_id: int) -> str:
        """Return a deployment's page."""
        return f"{self.web}/deployments/d{deployment_id}"

    def hook(self, forge: str, project: str) -> str:
        """Return where a project's forge posts to."""
        return f"{self.web}/hooks/{forge}/{project}"

    def service(self, host: str) -> str:
        """Return the address at which a name of a service answers."""
        return f"http://{host}" if self.proxy_port == 80 else f"http://{host}:{self.proxy_port}"
