"""`slipway demo`: the story that shows the whole of Slipway on this machine, each scene checked as it is told."""

import os
import subprocess
import time

import click

from commands.demo_scenes import SCENES, Stage
from commands.demo_tools import Checks, slipway, slipway_json
from config.settings import Settings
from pipeline.errors import Conflict

ENDINGS = """
Everything is still up. Look around:
  board         {web}
  the shop      http://web.staging.shop.slipway.localhost:{proxy}
  chat          ./slipway chat "status"        ./slipway chat tail
  push again    cd {work} && git commit --allow-empty -m again && git push slipway main
  your own      ./slipway project add NAME --url URL      docs/howto/connect-a-repository.md
  Slack         docs/howto/connect-slack.md
  stop          ./slipway down        ./slipway down --all removes every trace
"""


@click.command()
@click.option("--scene", type=click.Choice([name for name, _ in SCENES]), help="Stop after this scene.")
@click.option("--exit", "leave", is_flag=True, help="Take everything down; exit 0 only if every check held.")
@click.option("--no-install", is_flag=True, help="Install nothing (bin/demo has seen to it).")
def demo(scene: str | None, leave: bool, no_install: bool) -> int:
    """Run everything on this machine and push the sample shop through it."""
    settings = Settings()
    _refuse_a_home_in_use(settings)
    checks = Checks()
    try:
        stage = _set_up(settings)
        for name, play in SCENES:
            play(stage, checks)
            if name == scene:
                break
        click.echo(checks.summary())
        if not leave:
            click.echo(ENDINGS.format(web=stage.web, proxy=stage.proxy, work=stage.work))
    finally:
        if leave:
            slipway("down", "--all")
    return 0 if checks.held else 1


def _set_up(settings: Settings) -> Stage:
    """Start the system and build the bases, saying what the time goes to."""
    began = time.monotonic()
    click.secho("Starting Slipway", bold=True)
    _choose_free_ports()
    slipway("up", "-d")
    up = time.monotonic()
    click.secho("Building base images from this machine's own programs", bold=True)
    slipway("base", "build", "busybox", "python", "redis")
    bases = time.monotonic()
    status = slipway_json("status", "--json")
    return Stage(
        home=settings.home,
        web=status["web"],
        proxy=status["proxy"]["http"],
        dns=(status["dns"]["host"], status["dns"]["port"]),
        registry=status["registry"],
        began=began,
        spent={"starting the parts": up - began, "base images": bases - up},
    )


def _choose_free_ports() -> None:
    """Ask for free ports where the usual ones are taken, unless Slipway itself has them."""
    if slipway_json("status", "--json").get("up"):
        return
    taken = subprocess.run(["ss", "-Htln"], capture_output=True, text=True, check=False).stdout
    settings = Settings()
    wanted = {
        "SLIPWAY_WEB__PORT": settings.web.port,
        "SLIPWAY_PROXY__HTTP_PORT": settings.proxy.http_port,
        "SLIPWAY_DNS__PORT": settings.dns.port,
        "SLIPWAY_REGISTRY__PORT": settings.registry.port,
    }
    for name, port in wanted.items():
        if f":{port} " in taken and name not in os.environ:
            click.echo(f"  port {port} is taken: choosing a free one for {name}")
            os.environ[name] = "0"


def _refuse_a_home_in_use(settings: Settings) -> None:
    """Never play in, or take down, a home where somebody's own projects live."""
    if not (settings.home / "slipway.db").exists():
        return
    projects = slipway_json("project", "list", "--json")
    others = [one["name"] for one in projects.get("items", []) if one["name"] != "shop"]
    if others:
        raise Conflict(
            f"{settings.home} is in use: it holds {', '.join(others)}",
            fix="Give the demo a home of its own: SLIPWAY_HOME=/tmp/slipway-demo bin/demo",
        )
