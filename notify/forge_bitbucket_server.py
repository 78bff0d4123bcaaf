"""Bitbucket Data Center: build statuses of a repository's commit, version 7.4 and newer.

https://developer.atlassian.com/server/bitbucket/how-tos/updating-build-status-for-commits
"""

from dataclasses import dataclass, replace

from notify.forge_faults import Refused
from notify.forge_http import ForgeHttp
from notify.forge_plain import NoDeployments
from pipeline.reports import Status

CANCELLED, INSTEAD = "CANCELLED", "FAILED"


@dataclass(frozen=True, kw_only=True, slots=True)
class BitbucketServer(NoDeployments):
    """A repository at Bitbucket Data Center; `repository` is PROJECT/SLUG."""

    http: ForgeHttp
    repository: str

    def tell(self, revision: str, status: Status, *, ref: str) -> None:
        """Make a status of a revision this; older versions have no word for cancelled."""
        try:
            self._post(revision, status, ref)
        except Refused:
            if status.state != CANCELLED:
                raise
            self._post(revision, replace(status, state=INSTEAD), ref)

    def _post(self, revision: str, status: Status, ref: str) -> None:
        project, _, slug = self.repository.partition("/")
        told = {"key": status.context, "name": status.context, "state": status.state, "ref": ref}
        told |= {"url": status.url, "description": status.description}
        self.http.post(f"/projects/{project}/repos/{slug}/commits/{revision}/builds", told)
