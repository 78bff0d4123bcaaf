"""Gitea and Forgejo: commit statuses (https://docs.gitea.com/api, operation repoCreateStatus)."""

from dataclasses import dataclass

from notify.forge_http import ForgeHttp
from notify.forge_plain import NoDeployments
from pipeline.reports import Status


@dataclass(frozen=True, kw_only=True, slots=True)
class Gitea(NoDeployments):
    """A repository at Gitea or Forgejo."""

    http: ForgeHttp
    repository: str

    def tell(self, revision: str, status: Status, *, ref: str) -> None:
        """Make a status of a revision this."""
        told = {"state": status.state, "context": status.context, "description": status.description}
        self.http.post(f"/repos/{self.repository}/statuses/{revision}", {**told, "target_url": status.url})
