"""A deployment: moving an environment from one set of images to another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.health import HealthCheck


class DeploymentState(StrEnum):
    """The states of a deployment."""

    QUEUED = "queued"
    RUNNING = "running"
    DEPLOYED = "deployed"
    FAILED = "failed"
    ERROR = "error"
    SUPERSEDED = "superseded"

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will happen."""
        return self not in {DeploymentState.QUEUED, DeploymentState.RUNNING}


class Cause(StrEnum):
    """Why a deployment was made."""

    PUSH = "push"
    CHAT = "chat"
    API = "api"
    ROLLBACK = "rollback"


class InstanceState(StrEnum):
    """A container of a deployment: starting → live → draining → gone; one that never got healthy goes straight away."""

    STARTING = "starting"
    LIVE = "live"
    DRAINING = "draining"
    GONE = "gone"


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """One service as it is deployed: the image by digest, and the configuration that goes with it."""

    service: str
    revision: str
    image: str
    port: int
    health: HealthCheck
    drain: float = 10.0
    main: bool = False
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    command: tuple[str, ...] | None = None


def replaced(live: tuple[Release, ...], new: tuple[Release, ...]) -> bool:
    """Tell whether deploying `new` over `live` would change which images serve."""
    return {(one.service, one.image) for one in live} != {(one.service, one.image) for one in new}
