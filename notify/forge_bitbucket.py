"""Bitbucket Cloud: build statuses (https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses)."""

import hashlib
from dataclasses import dataclass

from notify.forge_faults import Refused
from notify.forge_http import ForgeHttp
from notify.forge_plain import NoDeployments
from pipeline.reports import Status

LONGEST_KEY = 40
DIGEST = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Bitbucket(NoDeployments):
    """A repository at Bitbucket Cloud."""

    http: ForgeHttp
    repository: str

    def tell(self, revision: str, status: Status, *, ref: str) -> None:
        """Make a status of a revision this; the same key overwrites."""
        told = {"key": key_of(status.context), "name": status.context, "state": status.state}
        told |= {"url": status.url, "description": status.description}
        try:
            self.http.post(f"/repositories/{self.repository}/commit/{revision}/statuses/build", told)
        except Refused as fault:
            fix = "Bitbucket takes no page on localhost: set SLIPWAY_WEB__PUBLIC_URL" if "URL" in fault.sentence else ""
            raise Refused(f"{fault.sentence}. {fix}".rstrip(". "), code=fault.code, fix=fix) from fault


def key_of(context: str) -> str:
    """Return a context as a key of at most 40 characters, with a digest where something had to go."""
    if len(context) <= LONGEST_KEY:
        return context
    digest = hashlib.sha256(context.encode()).hexdigest()[:DIGEST]
    return f"{context[: LONGEST_KEY - DIGEST - 1]}-{digest}"
