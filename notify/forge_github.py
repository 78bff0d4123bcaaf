"""GitHub: commit statuses, deployments, and the tokens of its Apps (https://docs.github.com/en/rest)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from notify.forge_faults import AccountRefused, Refused
from notify.forge_http import ForgeHttp
from pipeline.errors import Unavailable
from pipeline.forge_account import Account
from pipeline.reports import Status
from pipeline.reports_deployment import DeploymentStatus

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
# GitHub takes no identity that holds for more than ten minutes, nor one from its future.
HOLDS, EARLIER = timedelta(minutes=9), timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class GitHub:
    """A repository at GitHub."""

    http: ForgeHttp
    repository: str

    def tell(self, revision: str, status: Status, *, ref: str) -> None:
        """Make a status of a revision this."""
        told = {"state": status.state, "context": status.context, "description": status.description}
        self.http.post(f"/repos/{self.repository}/statuses/{revision}", {**told, "target_url": status.url})

    def find_deployment(self, revision: str, environment: str, key: str) -> int | None:
        """Return the number of the deployment that carries our key."""
        query = {"sha": revision, "environment": environment, "task": "deploy", "per_page": "100"}
        found = self.http.get(f"/repos/{self.repository}/deployments", query)
        mine = (one for one in found if isinstance(one, dict) and _payload(one).get("slipway") == key)
        return next((int(one["id"]) for one in mine), None)

    def create_deployment(self, body: Mapping[str, Any]) -> int:
        """Make a deployment and return its number."""
        with_words = _allowed(lambda: self.http.post(f"/repos/{self.repository}/deployments", body))
        if not isinstance(with_words, dict) or "id" not in with_words:
            raise Unavailable("GitHub made no deployment of it", code="forge_unavailable")
        return int(with_words["id"])

    def tell_deployment(self, number: int, status: DeploymentStatus) -> None:
        """Make a deployment's status this; what it replaces is told on its own."""
        told = {
            "state": status.state,
            "description": status.description,
            "environment": status.environment,
            "log_url": status.log_url,
            "auto_inactive": False,
        }
        if status.environment_url:
            told["environment_url"] = status.environment_url
        _allowed(lambda: self.http.post(f"/repos/{self.repository}/deployments/{number}/statuses", told))


def session(http: ForgeHttp, account: Account, key: str, now: datetime) -> tuple[str, datetime]:
    """Buy a token for an App's installation, for this repository alone; return it and until when it holds."""
    try:
        identity = jwt.encode(_claims(account, now), key, algorithm="RS256")
    except (jwt.PyJWTError, ValueError, TypeError) as fault:
        raise AccountRefused("the App's private key cannot be used", code="bad_key") from fault
    path = f"/app/installations/{account.installation_id}/access_tokens"
    body = {"repositories": [account.repository.rpartition("/")[2]]}
    try:
        bought = http.post(path, body, auth={**HEADERS, "Authorization": f"Bearer {identity}"})
        return str(bought["token"]), datetime.fromisoformat(bought["expires_at"])
    except Refused as fault:
        fix = "Look at the App's id, its installation's, and whether it may see this repository."
        raise AccountRefused(fault.sentence, code="forge_no_installation", fix=fix) from fault
    except (KeyError, TypeError, ValueError) as fault:
        raise Unavailable("GitHub's answer holds no token", code="forge_unavailable") from fault


def _claims(account: Account, now: datetime) -> dict[str, Any]:
    return {"iss": str(account.app_id), "iat": now - EARLIER, "exp": now + HOLDS}


def _allowed(call: Callable[[], Any]) -> Any:
    """Do what a token for statuses may lack the right to; that must not stop the statuses."""
    try:
        return call()
    except AccountRefused as fault:
        if fault.code != "forge_forbidden":
            raise
        raise Refused(f"{fault.sentence} (deployments)", code=fault.code, fix=fault.fix) from fault


def _payload(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    payload = deployment.get("payload")
    return payload if isinstance(payload, dict) else {}
