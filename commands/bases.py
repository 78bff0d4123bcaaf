"""`slipway base build`: base images from this machine's own programs."""

import click

from config.settings import Settings
from runtime.bases import BASES, build


@click.group()
def base() -> None:
    """Build base images from this machine's own programs, so that nothing has to be pulled."""


@base.command("build")
@click.argument("names", nargs=-1, type=click.Choice(list(BASES)))
def build_bases(names: tuple[str, ...]) -> None:
    """Build slipway/base-NAME:local for each NAME (all without one); what is there already stays."""
    settings = Settings()
    for name in names or BASES:
        click.echo(build(BASES[name], engine=settings.docker.host, home_id=settings.home_id))
