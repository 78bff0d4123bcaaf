"""What a slipway.yml says of one service: its image, how that is made, when it is ready, how it is reached."""

from pydantic import Field

from pipeline.changes import Paths
from pipeline.health import HealthCheck
from pipeline.spec_part import Part
from pipeline.spec_types import (
    Command,
    Count,
    Flag,
    Path,
    PathPatterns,
    Pause,
    Port,
    Text,
    Texts,
    Time,
    UrlPath,
    Variables,
)
from pipeline.spec_values import Secrets, Volumes


class Build(Part):
    """How a service's image is built: paths inside the repository, `dockerfile` inside the context.

    `secrets` are names; a RUN step sees each with `--mount=type=secret,id=NAME`, and nothing else ever does.
    """

    context: Path = "."
    dockerfile: Path = "Dockerfile"
    target: Text = ""
    args: Variables = Field(default_factory=dict)
    secrets: Secrets = ()


class Builder(Part):
    """A build container: a toolchain's image with the source mounted, whose `output` becomes the build's context.

    The image is named, or built from a Dockerfile of the repository.
    """

    image: Text = ""
    dockerfile: Path | None = None
    target: Text = ""
    run: Command
    output: Path = "."
    env: Variables = Field(default_factory=dict)
    secrets: Secrets = ()


class Release(Part):
    """The image for users: another target of the same Dockerfile, other arguments."""

    target: Text = ""
    args: Variables = Field(default_factory=dict)


class Ready(Part):
    """How it is known that a backing service can be used: any that are said must hold; none of them: it runs."""

    port: Port | None = None
    path: UrlPath | None = None
    log: Text = ""
    run: Command | None = None
    within: Time = 60.0


class Health(Part):
    """When a container of the service may be given requests."""

    path: UrlPath | None = None
    timeout: Time = 5.0
    within: Time = 30.0
    rise: Count = 1


class Service(Part):
    """One image, and how its containers are reached; without a port the image's own EXPOSE decides.

    With `paths` or `paths_ignore`, a commit that touches nothing the image is made of gets the image there is.
    One with an `image` is a backing service: it is never built, and stands beside the others. One with `profiles` is
    for tests: it is built, and never deployed unless it is named.
    """

    image: Text = ""
    build: Build = Build()
    builder: Builder | None = None
    release: Release | None = None
    command: Command | None = None
    env: Variables = Field(default_factory=dict)
    volumes: Volumes = Field(default_factory=dict)
    depends_on: Texts = ()
    profiles: Texts = ()
    ready: Ready | None = None
    port: Port | None = None
    health: Health = Health()
    drain: Pause = 10.0
    main: Flag = False
    paths: PathPatterns | None = None
    paths_ignore: PathPatterns | None = None

    @property
    def check(self) -> HealthCheck:
        """The probe that decides when a new container is healthy."""
        health = self.health
        return HealthCheck(path=health.path, timeout=health.timeout, within=health.within, rise=health.rise)

    @property
    def made_of(self) -> Paths | None:
        """The paths that the image is made of; None if nobody has said, and any change may be one to it."""
        if self.paths is None and self.paths_ignore is None:
            return None
        return Paths(only=self.paths, ignore=self.paths_ignore or ())
