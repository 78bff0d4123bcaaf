"""Images: their names, tags and labels, and what a build needs to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.names import slug

RELEASE = "-release"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSpec:
    """One image to build: the Dockerfile is looked for inside the context, which is a path inside the commit.

    `secrets` are what a step may mount, by name; `passing` are arguments that leave no mark in the image, a proxy's.
    `suffix` follows the revision in the tag. One that is not `trusted` is a stranger's: no registry is told who we are.
    """

    name: str
    revision: str
    context: str = "."
    dockerfile: str = "Dockerfile"
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    passing: Mapping[str, str] = field(default_factory=dict, repr=False)
    suffix: str = ""
    trusted: bool = True
    created: datetime

    @property
    def reference(self) -> str:
        """The immutable reference: name and 40-hex revision."""
        return f"{self.name}:{self.revision}{self.suffix}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image that was built and pushed; `digest` is what is deployed.

    `built_revision` is the commit it was built from: an earlier one if nothing it is made of has changed since.
    `release_digest` is that of the stripped image beside it, if the service has one.
    """

    service: str
    name: str
    revision: str
    digest: str
    size: int = 0
    built_revision: str = ""
    release_digest: str = ""

    @property
    def tag(self) -> str:
        """The reference people read."""
        return f"{self.name}:{self.revision}"

    @property
    def reference(self) -> str:
        """The reference that can never mean another image."""
        return f"{self.name}@{self.digest}"

    @property
    def release_tag(self) -> str:
        """The reference by which people read the stripped image."""
        return f"{self.tag}{RELEASE}"

    @property
    def release_reference(self) -> str:
        """The stripped image's reference that can never mean another image; nothing if there is none."""
        return f"{self.name}@{self.release_digest}" if self.release_digest else ""


def image_name(registry: str, project: str, service: str) -> str:
    """Return the repository that a service's images live in."""
    return f"{registry}/{project}/{service}"


def moving_tags(*, branch: str | None, tag: str | None, default_branch: str) -> tuple[str, ...]:
    """Return the tags that move to the newest image of a branch or git tag."""
    if tag is not None:
        return (slug(tag),)
    if branch is None:
        return ()
    return (slug(branch), "latest") if branch == default_branch else (slug(branch),)


def history_tag(*, branch: str | None, number: int | None) -> tuple[str, ...]:
    """Return the tag that keeps a branch's build from being overwritten by the next."""
    return (f"{slug(branch)}-{number}",) if branch is not None and number is not None else ()


def image_labels(
    *, home: str, project: str, service: str, revision: str, run: str, source: str, created: datetime, version: str
) -> dict[str, str]:
    """Return the OCI and Slipway labels of an image (https://github.com/opencontainers/image-spec annotations)."""
    return {
        "org.opencontainers.image.revision": revision,
        "org.opencontainers.image.source": source,
        "org.opencontainers.image.created": created.isoformat(),
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.title": f"{project}/{service}",
        "dev.slipway.home": home,
        "dev.slipway.project": project,
        "dev.slipway.service": service,
        "dev.slipway.revision": revision,
        "dev.slipway.run": run,
    }
