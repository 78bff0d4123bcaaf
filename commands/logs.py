"""`slipway log`: what a stage has written, through the HTTP API, as it comes if that is wanted."""

import re
import sys
import time
from typing import Any
from urllib.parse import quote

import click

from commands.client import Client
from pipeline.errors import NotFound, Unavailable

PAUSE = 0.1
PATIENCE = 30.0
COLOURS = re.compile(rb"\x1b\[[0-9;:]*m")

View = dict[str, Any]


@click.command()
@click.argument("run_id", metavar="ID")
@click.argument("stage", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until the stage has ended.")
@click.option("-n", "--lines", type=click.IntRange(1), help="Only so many of the last lines, and what follows.")
def log(run_id: str, stage: str | None, follow: bool, lines: int | None) -> None:
    """Show what a stage of a run has written: STAGE, or the one that broke it, or the last one that ran."""
    with Client() as client:
        found = client.get(f"/runs/{quote(run_id, safe='')}")
        name = stage or _worth_reading(found)
        path = f"/runs/{found['id']}/stages/{quote(name, safe='')}/log"
        data, offset, over = client.log(path, lines=lines)
        _write(data)
        while follow and not over:
            time.sleep(PAUSE)
            data, offset, over = _again(client, path, offset)
            _write(data)


def _again(client: Client, path: str, offset: int) -> tuple[bytes, int, bool]:
    """Read on. A server that restarts meanwhile is waited for, for half a minute; not a line is lost or repeated."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return client.log(path, offset)
        except Unavailable:
            if time.monotonic() > until:
                raise
            time.sleep(PAUSE)


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data if sys.stdout.isatty() else COLOURS.sub(b"", data))
    sys.stdout.flush()


def _worth_reading(found: View) -> str:
    stages = found["stages"]
    broken = [one for one in stages if one["state"] in {"failed", "error"}]
    begun = [one for one in stages if one["attempt"]]
    if not stages:
        raise NotFound(f"{found['id']} has no stages yet")
    return str((broken or begun[-1:] or stages)[0]["name"])
