"""`slipway build`: start a run by hand, of any ref that was pushed, whole or in part."""

from urllib.parse import quote

import click

from commands.client import Client
from commands.runs import json_option, tell
from pipeline.errors import Rejected


@click.command()
@click.argument("ref", default="")
@click.option("--project", help="Which project; the only one there is, without it.")
@click.option("--stage", "stages", multiple=True, help="Only this stage and the builds it needs; may come again.")
@click.option("--reason", default="", help="Why; shown wherever the run is.")
@json_option
def build(ref: str, project: str | None, stages: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Run REF again: a branch, a tag or a revision; the default branch without one."""
    with Client() as client:
        name = project or _only(client)
        done = client.post(
            f"/projects/{quote(name, safe='')}/runs", {"ref": ref, "stages": list(stages), "reason": reason} | client.me
        )
    tell(done, as_json)


def _only(client: Client) -> str:
    names = [one["name"] for one in client.get("/projects")["items"]]
    if len(names) != 1:
        there = (
            f"There are: {', '.join(names)}." if names else "There is none yet: ./slipway project add NAME --url URL."
        )
        raise Rejected("say which project, with --project", code="which_project", fix=there)
    return str(names[0])
