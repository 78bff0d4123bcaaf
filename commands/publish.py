"""`slipway publish`: copy an image to another registry, without building it again."""

import json
import sys
import time
from typing import Any
from urllib.parse import quote

import click

from commands.client import Client
from pipeline.errors import Conflict, NotFound, StageFailed

PAUSE = 0.5

View = dict[str, Any]


@click.command()
@click.argument("what", metavar="SERVICE[@REVISION]")
@click.argument("to", metavar="[to] NAME", nargs=-1, required=True)
@click.option("--as", "tag", default="", help="The tag it gets there; its revision without one.")
@click.option("--release", is_flag=True, help="The stripped image, for services that have one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON as the API gives it.")
def publish(what: str, to: tuple[str, ...], *, tag: str, release: bool, as_json: bool) -> None:
    """Copy an image that passed its tests to the registry NAME of the settings, under the same digest.

    SERVICE may be PROJECT/SERVICE; without a revision it is the newest that passed its tests.
    """
    words = to[1:] if to[0] == "to" else to
    if len(words) != 1:
        raise click.UsageError("say: slipway publish SERVICE@REVISION to NAME")
    with Client() as client:
        image = _image(client, what)
        digest = _digest(image, release=release)
        begun = client.post(f"/images/{digest}/publish", {"to": words[0], "tag": tag} | client.me)
        ended = _wait(client, digest, begun)
    click.echo(json.dumps(ended, ensure_ascii=False) if as_json else _line(ended))
    if ended["state"] != "published":
        sys.exit(1 if ended["state"] == "failed" else 5)


def _image(client: Client, what: str) -> View:
    """Return the newest image that is meant. Raises NotFound, Conflict if several services are."""
    name, _, revision = what.partition("@")
    project, slash, service = name.rpartition("/")
    query = {"project": project if slash else None, "service": service, "revision": revision or None}
    found: list[View] = client.get("/images", **query)["items"]
    if not revision:
        found = [one for one in found if one["tested"]]
    if not found:
        raise NotFound(f"there is no {'' if revision else 'tested '}image of {what}", fix="./slipway run list")
    if len({one["project"] for one in found}) > 1:
        names = " or ".join(sorted({f"{one['project']}/{service}" for one in found}))
        raise Conflict(f"{service} is a service of several projects: say {names}", code="ambiguous")
    return found[0]


def _digest(image: View, *, release: bool) -> str:
    digest = image["release_digest"] if release else image["digest"]
    if not digest:
        raise StageFailed(f"{image['service']} has no release image", code="no_release")
    return quote(str(digest), safe=":")


def _wait(client: Client, digest: str, begun: View) -> View:
    """Return the publication once it has ended."""
    while True:
        known: list[View] = client.get(f"/images/{digest}")["publications"]
        mine = next((one for one in known if one["id"] == begun["id"]), begun)
        if mine["state"] != "queued":
            return mine
        time.sleep(PAUSE)


def _line(one: View) -> str:
    if one["state"] == "published":
        return f"published {one['service']} {one['revision'][:7]} as {one['reference']} ({one['tag']})"
    return f"{one['state']}: {one['reason']}"
