"""What GitHub is told of a deployment. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.deployment import DeploymentState, Release
from pipeline.names import deployment_name
from pipeline.reports import DEPLOYMENT_WORDS, REPLACED, cut

LONGEST = 140
PRODUCTION = "production"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentFacts:
    """A deployment as it stands; `live`: it is what serves in its environment; `address` is where."""

    id: int
    environment: str
    revision: str
    state: DeploymentState
    live: bool
    reason: str = ""
    url: str = ""
    address: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentStatus:
    """One deployment status as it is sent."""

    state: str
    description: str
    environment: str
    log_url: str
    environment_url: str

    @property
    def as_told(self) -> dict[str, Any]:
        """Return what is kept once the host has taken it."""
        return {"state": self.state, "description": self.description}


def worth_telling(facts: DeploymentFacts, told: Mapping[str, Any]) -> bool:
    """Tell whether the host is to know: one that was overtaken before anybody heard of it never was, to the host."""
    return bool(told) or facts.state is not DeploymentState.SUPERSEDED


def deployment_status(facts: DeploymentFacts) -> DeploymentStatus:
    """Return what a deployment's status should be; one that was replaced is inactive."""
    replaced = facts.state is DeploymentState.DEPLOYED and not facts.live
    word = REPLACED if replaced else DEPLOYMENT_WORDS[facts.state]
    said = "replaced by a newer one" if replaced else str(facts.state)
    why = f": {facts.reason}" if facts.reason and not replaced else ""
    return DeploymentStatus(
        state=word,
        description=cut(f"{deployment_name(facts.id)} {said}{why}", LONGEST),
        environment=facts.environment,
        log_url=facts.url,
        environment_url=facts.address if word == DEPLOYMENT_WORDS[DeploymentState.DEPLOYED] else "",
    )


def creation(facts: DeploymentFacts, key: str) -> dict[str, Any]:
    """Return what makes a deployment at GitHub: nothing is merged, no other status is waited for.

    `key` is ours and no other's: by it the deployment is found again.
    """
    return {
        "ref": facts.revision,
        "task": "deploy",
        "auto_merge": False,
        "required_contexts": [],
        "payload": {"slipway": key},
        "environment": facts.environment,
        "description": cut(f"{deployment_name(facts.id)} by Slipway", LONGEST),
        "transient_environment": False,
        "production_environment": facts.environment == PRODUCTION,
    }


def revision_of(releases: Sequence[Release], named: Collection[str] | None, pushed: str | None) -> str:
    """Return the one revision a deployment is of, to a host that wants one: what was pushed, else the main service's.

    Among the services that were asked for, that is; without a main one, the first by name.
    """
    if pushed:
        return pushed
    asked = [one for one in releases if named is None or one.service in named] or list(releases)
    first = min(asked, key=lambda one: (not one.main, one.service), default=None)
    return first.revision if first else ""
