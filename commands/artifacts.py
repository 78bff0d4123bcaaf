"""`slipway artifact`: the files that a run's stages left behind."""

import json
import os
import sys
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import click

from commands.client import Client
from commands.run_lines import clean
from pipeline.errors import Rejected

View = dict[str, Any]


@click.group()
def artifact() -> None:
    """List and fetch what stages left behind."""


@artifact.command("list")
@click.argument("run_id", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print JSON as the API gives it.")
def list_artifacts(run_id: str, as_json: bool) -> None:
    """List the artifacts of RUN, by stage."""
    with Client() as client:
        found = client.get(f"/runs/{quote(run_id, safe='')}/artifacts")
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    width = max((len(one["stage"]) for one in found["items"]), default=0)
    for one in found["items"]:
        click.echo(clean(f"{one['stage']:<{width}}  {_size(one['size']):>9}  {one['path']}"))
    if not found["items"]:
        click.echo(f"{run_id} has no artifacts: stages keep what `reports.files` names.")


@artifact.command()
@click.argument("run_id", metavar="RUN")
@click.argument("stage")
@click.argument("path")
@click.option("-o", "--output", default="", help="Where to; `-` is standard output. Default: its own name, here.")
def get(run_id: str, stage: str, path: str, output: str) -> None:
    """Fetch the artifact PATH of STAGE, as `artifact list` names it."""
    where = "/".join(quote(part, safe="") for part in (run_id, "stages", stage, "artifacts"))
    target = Path(output or PurePosixPath(path).name or "artifact")
    if target.is_dir():
        raise Rejected(f"{target} is a directory", code="usage", fix=f"Name a file in it: -o {target}/NAME")
    address = f"/runs/{where}/{quote(path.lstrip('/'))}"
    with Client() as client:
        if output == "-":
            client.fetch(address, sys.stdout.buffer)
            return
        # Under its own name only once it is whole.
        half = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with half.open("xb") as file:
                size = client.fetch(address, file)
            half.replace(target)
        finally:
            half.unlink(missing_ok=True)
    click.echo(f"{clean(str(target))}: {_size(size)}")


def _size(count: int) -> str:
    return f"{count} B" if count < 1000 else f"{count / 1000:.1f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"
