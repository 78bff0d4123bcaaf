"""`slipway hook deliveries|redeliver|test`: what was received, once more, and a sample, through the HTTP API."""

import json
from typing import Any
from urllib.parse import quote

import click

from commands.client import Client
from commands.hook_sample import sample
from config.settings import Settings
from pipeline.errors import NotFound
from pipeline.project import Project
from store import projects
from store.session import Database

View = dict[str, Any]
NOT_TAKEN = 1


def list_deliveries(project: str | None, verdict: str | None, limit: int, *, as_json: bool) -> None:
    """Print deliveries, newest first."""
    with Client() as client:
        found = client.get("/deliveries", project=project, verdict=verdict, limit=limit)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for one in found["items"]:
        click.echo(line(one))
    if not found["items"]:
        click.echo("No delivery matches." if project or verdict else "Nothing was received yet: slipway hook test")


def redeliver(delivery: str, *, as_json: bool) -> None:
    """Have a delivery taken in once more, and print what became of it."""
    with Client() as client:
        answer = client.post(f"/deliveries/{quote(delivery, safe='')}/redeliver", {})
    click.echo(json.dumps(answer, ensure_ascii=False) if as_json else told(answer))


def test(name: str, *, as_json: bool) -> int:
    """Post a signed sample of a project's forge to the web process, print its answer, return an exit code."""
    project = _project(Settings(), name)
    made = sample(project)
    with Client() as client:
        status, answer = client.hook(f"/hooks/{project.forge}/{project.name}", made.body, dict(made.headers))
    taken = status < 300
    if as_json:
        click.echo(json.dumps({"status": status, **answer}, ensure_ascii=False))
    else:
        click.echo(f"{status} {told(answer)}")
        if taken:
            click.echo(f"What a {project.forge} host posts for {name} is taken in at {client.url}.")
    return 0 if taken else NOT_TAKEN


def line(one: View) -> str:
    """Return a delivery on one line."""
    where = one["project"] or "no project"
    how = "" if one["source"] == "hook" else f" [{one['source']}]"
    what = f"{where} ({one['forge']} {one['event']}){how}"
    return f"{one['id']:>6}  {one['received_at']}  {what}  {one['code']}: {one['detail']}"


def told(answer: View) -> str:
    """Return the inbox's answer as a line."""
    words = [f"{answer.get('code', '?')}: {answer.get('detail', '')}", str(answer.get("fix") or "")]
    return "\n".join(word for word in words if word)


def _project(settings: Settings, name: str) -> Project:
    database = Database(settings.database_url)
    try:
        with database.read() as session:
            known = projects.find(session, name)
    finally:
        database.dispose()
    if known is None:
        raise NotFound(f"there is no project {name}", code="unknown_project", fix="slipway project list")
    return known
