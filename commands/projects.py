"""`slipway project`: connect repositories."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from commands import accounts as answering
from commands import hook_secrets
from commands.first_look import FirstLook, look
from commands.hook_secrets import hook_url, new_secret
from commands.hosts import WHERE_TO_ADD, forge_of
from config.settings import Settings
from pipeline.clone_url import check_url, local_path
from pipeline.errors import Rejected
from pipeline.names import short
from pipeline.project import Forge, Project, check_name
from pipeline.push import HEADS
from runtime.stack_home import private_folder
from store import accounts, heads, projects, reports
from store.migrate import upgrade
from store.session import Database


@click.group()
def project() -> None:
    """Connect repositories."""


@project.command("add")
@click.argument("name")
@click.option("--url", required=True, help="Where it is fetched from: https, ssh, or a directory of this machine.")
@click.option("--forge", type=click.Choice([str(forge) for forge in Forge]), help="Who sends its webhooks.")
@click.option("--branch", help="Its default branch; left out, the one that the repository says, or main.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def add(name: str, url: str, forge: str | None, branch: str | None, as_json: bool) -> None:
    """Register a repository and print the address and the secret for its webhook."""
    settings = Settings()
    check_name(name)
    _reachable(check_url(url, local_paths=settings.local_paths))
    private_folder(settings.home)
    upgrade(settings.database_url)
    first = look(settings, name, url)
    wanted = Project(
        id=0,
        name=name,
        url=url,
        forge=Forge(forge) if forge else forge_of(url),
        secret=new_secret(),
        default_branch=branch or (first and first.default_branch) or "main",
    )
    at = datetime.now(UTC)
    with Database(settings.database_url).begin() as session:
        known = projects.add(session, wanted, at=at)
        if first is not None:
            heads.take_as_told(session, known.id, first.tips, at=at)
            heads.swept(session, known.id, recovered=0, at=at)
    facts = {"name": known.name, "hook_url": hook_url(settings, known), "secret": known.secret}
    click.echo(json.dumps(facts) if as_json else _what_next(known, facts, first))


@project.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_projects(as_json: bool) -> None:
    """Print every project; never its secret."""
    settings = Settings()
    private_folder(settings.home)
    upgrade(settings.database_url)
    with Database(settings.database_url).read() as session:
        known = projects.everyone(session)
        held = {one.project: one for one in accounts.everyone(session)}
        untold = {one.name: reports.untold(session, one.id) for one in known if one.name in held}
    if as_json:
        items = [_facts(settings, one) | _answers(held.get(one.name)) for one in known]
        click.echo(json.dumps({"items": items, "next": None}))
        return
    for one in known:
        click.echo(f"{one.name:<20} {one.forge:<8} {one.default_branch:<10} {one.url}")
        if one.name in held:
            click.echo(answering.account_line(held[one.name], untold[one.name]))
    if not known:
        click.echo("There is no project yet. Add one: slipway project add NAME --url URL")


project.add_command(answering.token)
project.add_command(answering.app)
project.add_command(hook_secrets.secret)


def _answers(held: accounts.Held | None) -> dict[str, str]:
    """Return where answers go and what is wrong with that; empty strings where nobody is answered, or nothing is."""
    return {"api_url": held.account.api_url if held else "", "answers_fault": held.fault if held else ""}


def _reachable(url: str) -> str:
    """Return an address, having looked whether the directory is there if it is one of this machine."""
    path = local_path(url)
    if path is not None and not Path(path).is_dir():
        raise Rejected(f"there is no directory {path}", code="bad_url", fix="Make one: git init --bare shop.git")
    return url


def _where(branch: str, first: FirstLook) -> str:
    """Return the default branch and where it is, as the first look found it."""
    tip = first.tips.get(f"{HEADS}{branch}")
    if tip is not None:
        return f"{branch} is at {short(tip.revision)}; what is pushed from now on is run"
    return f"there is no {branch} yet" if first.tips else f"{branch}; nothing was pushed yet"


def _facts(settings: Settings, known: Project) -> dict[str, str]:
    return {
        "name": known.name,
        "url": known.url,
        "forge": known.forge,
        "default_branch": known.default_branch,
        "hook_url": hook_url(settings, known),
    }


def _what_next(known: Project, facts: dict[str, str], first: FirstLook | None) -> str:
    lines = [
        f"{known.name} is connected to {known.url}",
        *([f"  branch   {_where(known.default_branch, first)}"] if first else []),
        f"  webhook  {facts['hook_url']}",
        f"  secret   {facts['secret']}    (it is not shown again)",
    ]
    if known.forge in WHERE_TO_ADD:
        lines.append(f"Add it at {WHERE_TO_ADD[known.forge]}")
    path = local_path(known.url)
    if path is not None:
        lines.append(f"Or let the repository tell: slipway hook install {path} --project {known.name}")
    return "\n".join(lines)
