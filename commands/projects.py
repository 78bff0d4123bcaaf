"""`slipway project`: connect repositories."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from urllib.parse import urlsplit

import click

from config.settings import Settings
from pipeline.clone_url import check_url, local_path
from pipeline.errors import Rejected
from pipeline.project import Forge, Project
from runtime.stack_home import private_folder
from store import projects
from store.migrate import upgrade
from store.session import Database

SECRET_BYTES = 32


@click.group()
def project() -> None:
    """Connect repositories."""


@project.command("add")
@click.argument("name")
@click.option("--url", required=True, help="Where it is fetched from: https, ssh, or a directory of this machine.")
@click.option("--forge", type=click.Choice([str(forge) for forge in Forge]), help="Who sends its webhooks.")
@click.option("--branch", default="main", show_default=True, help="Its default branch.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def add(name: str, url: str, forge: str | None, branch: str, as_json: bool) -> None:
    """Register a repository and print the address and the secret for its webhook."""
    settings = Settings()
    wanted = Project(
        id=0,
        name=name,
        url=_reachable(check_url(url, local_paths=settings.local_paths)),
        forge=Forge(forge) if forge else forge_of(url),
        secret=new_secret(),
        default_branch=branch,
    )
    private_folder(settings.home)
    upgrade(settings.database_url)
    with Database(settings.database_url).begin() as session:
        known = projects.add(session, wanted, at=datetime.now(UTC))
    facts = {"name": known.name, "hook_url": hook_url(settings, known), "secret": known.secret}
    click.echo(json.dumps(facts) if as_json else _what_next(known, facts))


@project.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_projects(as_json: bool) -> None:
    """Print every project; never its secret."""
    settings = Settings()
    private_folder(settings.home)
    upgrade(settings.database_url)
    with Database(settings.database_url).read() as session:
        known = projects.everyone(session)
    if as_json:
        click.echo(json.dumps({"items": [_facts(settings, one) for one in known], "next": None}))
        return
    for one in known:
        click.echo(f"{one.name:<20} {one.forge:<8} {one.default_branch:<10} {one.url}")
    if not known:
        click.echo("There is no project yet. Add one: slipway project add NAME --url URL")


def forge_of(url: str) -> Forge:
    """Return the kind of git host a repository's address points to, as far as it can be told."""
    host = urlsplit(url).hostname if "://" in url else url.partition(":")[0].rpartition("@")[2]
    return Forge.GITHUB if (host or "").lower() == "github.com" else Forge.GIT


def new_secret() -> str:
    """Return a secret that every door can use: Standard Webhooks decode it, GitHub takes it as it is."""
    return f"whsec_{b64encode(token_bytes(SECRET_BYTES)).decode()}"


def hook_url(settings: Settings, known: Project) -> str:
    """Return the address that a project's webhooks go to."""
    return f"{settings.web_url}/hooks/{known.forge}/{known.name}"


def _reachable(url: str) -> str:
    """Return an address, having looked whether the directory is there if it is one of this machine."""
    path = local_path(url)
    if path is not None and not Path(path).is_dir():
        raise Rejected(f"there is no directory {path}", code="bad_url", fix="Make one: git init --bare shop.git")
    return url


def _facts(settings: Settings, known: Project) -> dict[str, str]:
    return {
        "name": known.name,
        "url": known.url,
        "forge": known.forge,
        "default_branch": known.default_branch,
        "hook_url": hook_url(settings, known),
    }


def _what_next(known: Project, facts: dict[str, str]) -> str:
    lines = [
        f"{known.name} is connected to {known.url}",
        f"  webhook  {facts['hook_url']}",
        f"  secret   {facts['secret']}    (it is not shown again)",
    ]
    if known.forge is Forge.GITHUB:
        lines.append("Add it at GitHub: Settings → Webhooks → content type application/json, the push event.")
    path = local_path(known.url)
    if path is not None:
        lines.append(f"Or let the repository tell: slipway hook install {path} --project {known.name}")
    return "\n".join(lines)
