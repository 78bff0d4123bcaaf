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

    context: Path = Field(default=".", description="The directory of the repository that the builder sees.")
    dockerfile: Path = Field(default="Dockerfile", description="The Dockerfile, inside the context.")
    target: Text = Field(default="", description="The stage of the Dockerfile that is the image; without it the last.")
    args: Variables = Field(
        default_factory=dict, description="Build arguments; they show in the image's history, so no secrets."
    )
    secrets: Secrets = Field(
        default=(), description="Names of secrets that steps may mount: `RUN --mount=type=secret,id=NAME`."
    )


class Builder(Part):
    """A build container: a toolchain's image with the source mounted, whose `output` becomes the build's context.

    The image is named, or built from a Dockerfile of the repository.
    """

    image: Text = Field(default="", description="The toolchain's image; either this or `dockerfile`.")
    dockerfile: Path | None = Field(
        default=None, description="A Dockerfile of the repository that makes the toolchain's image."
    )
    target: Text = Field(default="", description="The stage of that Dockerfile; without it the last.")
    run: Command = Field(description="The command that makes the output, run with the source mounted.")
    output: Path = Field(default=".", description="The directory that becomes the context of `build`.")
    env: Variables = Field(default_factory=dict, description="The command's variables.")
    secrets: Secrets = Field(default=(), description="Names of secrets that the command gets as variables.")


class Release(Part):
    """The image for users: another target of the same Dockerfile, other arguments."""

    target: Text = Field(default="", description="The stage of the Dockerfile that is the image for users.")
    args: Variables = Field(default_factory=dict, description="Build arguments that differ from those of `build`.")


class Ready(Part):
    """How it is known that a backing service can be used: any that are said must hold; none of them: it runs."""

    port: Port | None = Field(default=None, description="Something accepts a connection at this port.")
    path: UrlPath | None = Field(default=None, description="This path is answered with 2xx or 3xx.")
    log: Text = Field(default="", description="A line it has written holds this text.")
    run: Command | None = Field(default=None, description="This command, run in its container, exits with 0.")
    within: Time = Field(default=60.0, description="How long that may take, from its start.")


class Health(Part):
    """When a container of the service may be given requests."""

    path: UrlPath | None = Field(
        default=None, description="The path that is asked; without it an open port is healthy."
    )
    timeout: Time = Field(default=5.0, description="How long one probe may take.")
    within: Time = Field(default=30.0, description="How long a new container may take to become healthy.")
    rise: Count = Field(default=1, description="How many good answers in a row it takes.")


class Service(Part):
    """One image, and how its containers are reached; without a port the image's own EXPOSE decides.

    With `paths` or `paths_ignore`, a commit that touches nothing the image is made of gets the image there is.
    One with an `image` is a backing service: it is never built, and stands beside the others. One with `profiles` is
    for tests: it is built, and never deployed unless it is named.
    """

    image: Text = Field(default="", description="An image's name: then it is a backing service and never built.")
    build: Build = Field(default=Build(), description="How its image is built.")
    builder: Builder | None = Field(default=None, description="A container that makes what the image is built from.")
    release: Release | None = Field(default=None, description="A second image of the same build, for users.")
    command: Command | None = Field(default=None, description="What it runs instead of its image's own command.")
    env: Variables = Field(
        default_factory=dict, description="Its variables wherever it runs, deployed or beside a test."
    )
    volumes: Volumes = Field(
        default_factory=dict, description="Named volumes and where they are in the container; gone with the container."
    )
    depends_on: Texts = Field(
        default=(),
        description="Services that are ready before it starts, beside a test; backing services are not deployed.",
    )
    profiles: Texts = Field(
        default=(), description="With any, it is deployed only where a stage names it; `test` makes a test stage of it."
    )
    ready: Ready | None = Field(default=None, description="When it can be used as a backing service.")
    port: Port | None = Field(
        default=None, description="The port it answers on; without it the lowest that its image exposes, else 8080."
    )
    health: Health = Field(default=Health(), description="When a new container of it may be given requests.")
    drain: Pause = Field(default=10.0, description="How long an old container may finish its requests.")
    main: Flag = Field(default=False, description="Whether it also answers at the environment's own name.")
    paths: PathPatterns | None = Field(
        default=None, description="What its image is made of: a commit that touches none of it gets the image there is."
    )
    paths_ignore: PathPatterns | None = Field(default=None, description="What its image is not made of.")

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
