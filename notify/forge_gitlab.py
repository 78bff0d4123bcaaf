"""GitLab: commit statuses (https://docs.gitlab.com/api/commits/#set-commit-pipeline-status)."""

from dataclasses import dataclass, replace
from urllib.parse import quote

from notify.forge_faults import Refused
from notify.forge_http import ForgeHttp
from notify.forge_plain import NoDeployments
from pipeline.push import HEADS, TAGS
from pipeline.reports import Status

# It has no code for these. A state that is there already, or was passed, cannot be entered; some versions do not know
# `skipped`, and none goes there once it has been running.
PASSED_ALREADY = "Cannot transition status"
UNKNOWN_STATE = "does not have a valid value"
LONGEST = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class GitLab(NoDeployments):
    """A project at GitLab."""

    http: ForgeHttp
    repository: str

    def tell(self, revision: str, status: Status, *, ref: str) -> None:
        """Make a status of a revision this; one that is so already is done."""
        try:
            self._post(revision, status, ref)
        except Refused as fault:
            if status.state == "skipped" and (PASSED_ALREADY in fault.sentence or UNKNOWN_STATE in fault.sentence):
                self.tell(revision, replace(status, state="success"), ref=ref)
            elif PASSED_ALREADY not in fault.sentence:
                raise

    def _post(self, revision: str, status: Status, ref: str) -> None:
        # Each ref has a pipeline of its own there: without saying which, a status may land in any.
        name = ref.removeprefix(HEADS).removeprefix(TAGS)
        told = {"state": status.state, "name": status.context, "description": status.description}
        told |= {"target_url": status.url, **({"ref": name} if len(name) <= LONGEST else {})}
        self.http.post(f"/projects/{quote(self.repository, safe='')}/statuses/{revision}", told)
