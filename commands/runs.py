"""`slipway run`: look at runs, follow, cancel or retry them, through the HTTP API."""

import json
import sys
import time
from typing import Any
from urllib.parse import quote

import click

from commands.client import Client
from commands.run_lines import ended, run_line, stage_line, told
from pipeline.errors import Unavailable

PAUSE = 0.15
PATIENCE = 30.0
EXIT = {"passed": 0, "failed": 1}
COULD_NOT_TELL = 5

View = dict[str, Any]
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON as the API gives it.")


@click.group()
def run() -> None:
    """Look at runs, follow, cancel or retry them."""


@run.command("list")
@click.option("--project", help="Only of this project.")
@click.option("--branch", help="Only of this branch.")
@click.option("--state", help="Only in this state.")
@click.option("--limit", default=20, show_default=True, help="At most so many.")
@json_option
def list_runs(project: str | None, branch: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List runs, newest first."""
    with Client() as client:
        found = client.get("/runs", project=project, branch=branch, state=state, limit=limit)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for one in found["items"]:
        click.echo(run_line(one))
    if not found["items"]:
        click.echo("No run matches." if project or branch or state else "No run yet: the first push makes one.")


@run.command()
@click.argument("run_id", metavar="ID")
@json_option
def view(run_id: str, as_json: bool) -> None:
    """Show a run and its stages."""
    with Client() as client:
        found = client.get(f"/runs/{quote(run_id, safe='')}")
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for line in told(found):
        click.echo(line)


@run.command()
@click.argument("run_id", metavar="ID")
@click.option("--exit-status", is_flag=True, help="Exit 0 if it passed, 1 if it failed, 5 if that cannot be told.")
@json_option
def watch(run_id: str, exit_status: bool, as_json: bool) -> int:
    """Follow a run until it ends, a line for each stage that does."""
    with Client() as client:
        last = _follow(client, run_id, quiet=as_json)
    if as_json:
        click.echo(json.dumps(last, ensure_ascii=False))
    return EXIT.get(last["state"], COULD_NOT_TELL) if exit_status else 0


@run.command()
@click.argument("run_id", metavar="ID")
@click.option("--reason", default="", help="Why.")
@json_option
def cancel(run_id: str, reason: str, as_json: bool) -> None:
    """Ask for a run to stop."""
    _act(run_id, "cancel", as_json, reason=reason)


@run.command()
@click.argument("run_id", metavar="ID")
@json_option
def approve(run_id: str, as_json: bool) -> None:
    """Let a stranger's pull request, which waits, be run; it gets no secrets."""
    _act(run_id, "approve", as_json)


@run.command()
@click.argument("run_id", metavar="ID")
@click.option("--stage", help="Only this stage, and what was skipped behind it.")
@click.option("--reason", default="", help="Why.")
@json_option
def retry(run_id: str, stage: str | None, reason: str, as_json: bool) -> None:
    """Do what failed again, in the same run; of a run that did not fail, make another."""
    _act(run_id, "retry", as_json, reason=reason, **({"stage": stage} if stage else {}))


def _follow(client: Client, run_id: str, *, quiet: bool) -> View:
    """Return the run once it has ended. A server that restarts meanwhile is waited for, for half a minute."""
    said: set[str] = set()
    heard = time.monotonic()
    while True:
        try:
            found: View = client.get(f"/runs/{quote(run_id, safe='')}")
            heard = time.monotonic()
        except Unavailable:
            if not said or time.monotonic() - heard > PATIENCE:
                raise
            time.sleep(PAUSE)
            continue
        if not quiet:
            _say(found, said)
        said.add("")
        if ended(found):
            return found
        time.sleep(PAUSE)


def _say(found: View, said: set[str]) -> None:
    if "" not in said:
        click.echo(f"{run_line(found)}\n  {found['url']}")
    for stage in found["stages"]:
        if ended(stage) and stage["name"] not in said:
            said.add(stage["name"])
            click.echo(stage_line(stage))
    if ended(found):
        click.echo(f"{found['id']} {found['state']}{': ' + found['reason'] if found['reason'] else ''}")
    sys.stdout.flush()


def _act(run_id: str, verb: str, as_json: bool, **said: str) -> None:
    with Client() as client:
        tell(client.post(f"/runs/{quote(run_id, safe='')}/{verb}", said | client.me), as_json)


def tell(done: View, as_json: bool) -> None:
    """Say what was done, as people read it or as JSON."""
    click.echo(json.dumps(done, ensure_ascii=False) if as_json else done.get("detail") or done.get("reply") or "Done.")
