"""`slipway secret`: what builds and tests may know and nobody may read."""

import getpass
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import click

from commands.client import Client
from commands.run_lines import clean
from config.settings import Settings
from control.secrets import MOST_BYTES
from dashboard.vault import Vault
from pipeline.errors import Rejected
from runtime.stack_home import private_folder
from store.migrate import upgrade
from store.sealing import seal_of
from store.secrets import Scope
from store.session import Database

project_option = click.option("--project", default="", help="For this project alone.")
environment_option = click.option("--environment", default="", help="For this environment alone.")


@click.group()
def secret() -> None:
    """Set, list and remove secrets. They are kept sealed, and a value is never shown again."""


@secret.command("set")
@click.argument("name")
@project_option
@environment_option
def set_secret(name: str, project: str, environment: str) -> None:
    """Set NAME to what comes on standard input, without the line end it ends with."""
    scope = Scope(project=project, environment=environment).word
    value = _read()
    if _elsewhere():
        with Client() as client:
            client.put(_path(scope, name), {"value": value})
    else:
        _vault().put(scope, name, value, by=f"{getpass.getuser()}@localhost")
    click.echo(f"{name} is set for {scope}")


@secret.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON as the API gives it.")
def list_secrets(as_json: bool) -> None:
    """List secrets: names, for whom, who set them and when; no values."""
    found = _listed()
    if as_json:
        click.echo(json.dumps({"items": found, "next": None}))
        return
    width = max((len(one["name"]) for one in found), default=0)
    for one in found:
        click.echo(clean(f"{one['name']:<{width}}  {one['scope']:<24}  {one['set_at'][:16]}Z  {one['set_by']}"))
    if not found:
        click.echo("No secret is set: ./slipway secret set NAME")


@secret.command("rm")
@click.argument("name")
@project_option
@environment_option
def remove_secret(name: str, project: str, environment: str) -> None:
    """Remove NAME."""
    scope = Scope(project=project, environment=environment).word
    if _elsewhere():
        with Client() as client:
            client.delete(_path(scope, name))
    else:
        _vault().drop(scope, name)
    click.echo(f"{name} is gone for {scope}")


def _listed() -> list[dict[str, Any]]:
    if _elsewhere():
        with Client() as client:
            found: list[dict[str, Any]] = client.get("/secrets")["items"]
            return found
    return _vault().listed()


def _elsewhere() -> bool:
    """Tell whether another machine is meant. Here the home is enough, and nothing needs to be up."""
    return bool(os.environ.get("SLIPWAY_URL"))


def _vault() -> Vault:
    settings = Settings()
    private_folder(settings.home)
    upgrade(settings.database_url)
    seal = seal_of(settings.home, settings.secret_key)
    return Vault(database=Database(settings.database_url), seal=seal, now=lambda: datetime.now(UTC))


def _path(scope: str, name: str) -> str:
    return f"/secrets/{quote(scope, safe='')}/{quote(name, safe='')}"


def _read() -> str:
    """Return a value from standard input, unseen if a person types it."""
    if sys.stdin.isatty():
        return str(click.prompt("Value", hide_input=True))
    data = sys.stdin.buffer.read(MOST_BYTES + 3)
    try:
        text = data.decode()
    except UnicodeDecodeError as fault:
        raise Rejected(
            "a secret is text, and this is not UTF-8", code="bad_secret", fix="Encode it first: base64 FILE"
        ) from fault
    return text.removesuffix("\n").removesuffix("\r")
