"""`slipway test`: how a run's tests ended, and how one test ended over many runs."""

import json
from typing import Any
from urllib.parse import quote

import click

from commands.client import Client
from commands.run_lines import clean, subject
from pipeline.errors import NotFound, Rejected
from pipeline.names import short

SIGNS = {"passed": "✓", "failed": "✗", "error": "✗", "skipped": "–"}
BAD = ("failed", "error")
MOST = 10_000

View = dict[str, Any]
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON as the API gives it.")


@click.group()
def test() -> None:
    """Look at tests."""


@test.command("list")
@click.argument("run_id", metavar="RUN")
@click.option("--state", type=click.Choice(["passed", "failed", "error", "skipped"]), help="Only those.")
@json_option
def list_tests(run_id: str, state: str | None, as_json: bool) -> None:
    """List the tests of RUN, what failed first."""
    with Client() as client:
        found = client.get(f"/runs/{quote(run_id, safe='')}/tests", state=state, limit=MOST)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for one in found["items"]:
        click.echo(clean(f"{_sign(one)} {_full_name(one)}  {one['seconds']:.2f} s{_mark(one)}"))
        if one["state"] in BAD and one["message"]:
            click.echo(f"    {clean(subject(one['message']))}")
    if not found["items"]:
        click.echo("No test matches." if state else f"{run_id} has no tests.")


@test.command()
@click.argument("name")
@click.option("--project", required=True, help="Whose test it is.")
@click.option("--stage", help="In this stage.")
@click.option("--suite", help="Of this suite.")
@json_option
def history(name: str, project: str, stage: str | None, suite: str | None, as_json: bool) -> None:
    """Show how the test NAME ended each time, the last time first."""
    with Client() as client:
        found = client.get("/tests", project=project, name=name)["items"]
        wanted = [one for one in found if stage in (None, one["stage"]) and suite in (None, one["suite"])]
        one = _only(wanted, name, project)
        told = client.get(f"/tests/{one['id']}")
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    click.echo(clean(f"{_full_name(told)}  ({project}, {told['stage']})"))
    for time in told["times"]:
        where = f"{time['run']:<6} {short(time['revision'])} {time['branch'] or time['ref']}"
        click.echo(clean(f"  {_sign(time)} {time['state']:<8}{time['seconds']:>9.2f} s  {where}{_flaky(time)}"))


def _only(found: list[View], name: str, project: str) -> View:
    if not found:
        raise NotFound(f"{project} has no test {name} in its newest runs", fix=f"See: /tests?project={project}")
    if len(found) > 1:
        places = "; ".join(f"--stage {one['stage']} --suite {one['suite']!r}" for one in found[:5])
        raise Rejected(f"{project} has {len(found)} tests {name}", code="ambiguous", fix=f"Say which: {places}")
    return found[0]


def _sign(one: View) -> str:
    return SIGNS.get(one["state"], "?")


def _full_name(one: View) -> str:
    return f"{one['suite']} {one['name']}" if one["suite"] else str(one["name"])


def _mark(one: View) -> str:
    if one["new"]:
        return "  new"
    return _flaky(one) or ("  known" if one["state"] in BAD else "")


def _flaky(one: View) -> str:
    return "  flaky" if one["flaky"] else ""
