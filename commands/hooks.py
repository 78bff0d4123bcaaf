"""`slipway hook`: the post-receive hook that tells Slipway of a push and shows what becomes of it.

What is imported here is imported on every push: only the standard library and click.
"""

import os
import sys
from pathlib import Path

import click

from commands.hook_file import HookFile
from commands.hook_git import Change, clear_git_variables, describe, read_changes, tip
from commands.hook_post import Told, Unheard, post
from commands.hook_stream import follow

ROOT = Path(__file__).resolve().parent.parent
MOST_IN_ONE = 100
MOST_FOLLOWED = 10


@click.group()
def hook() -> None:
    """Let a bare repository tell Slipway of its pushes."""


@hook.command("install")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--project", required=True, help="The project that the repository belongs to.")
@click.option("--force", is_flag=True, help="Overwrite a post-receive hook that Slipway did not write.")
def install(path: Path, project: str, force: bool) -> None:
    """Write a post-receive hook into the bare repository at PATH."""
    from commands.hook_install import install_hook

    clear_git_variables()
    click.echo(install_hook(path, project, slipway=ROOT / "slipway", force=force))


@hook.command("run", hidden=True)
@click.option("--settings", "file", type=click.Path(path_type=Path), default=Path("hooks/slipway.json"))
def run(file: Path) -> None:
    """Be the post-receive hook: read what changed, tell Slipway, show the runs. Never fails a push."""
    clear_git_variables()
    try:
        _tell_and_follow(HookFile.read(file), Path.cwd(), read_changes(sys.stdin.buffer), again=f"{Path.cwd()}")
    except BrokenPipeError:
        # Whoever pushed has left; the runs go on without being watched.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as fault:
        # Whatever it is, git has taken the push already.
        click.echo(f"Slipway's hook did not work: {fault}. Your push is safe in the repository.")


@hook.command("resend")
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--ref", default="", help="The branch or tag to tell of; the repository's HEAD without one.")
def resend(path: Path, ref: str) -> int:
    """Tell Slipway of a branch or tag as it is now, for a push it did not hear of."""
    from commands.hook_install import hooks_folder

    clear_git_variables()
    change = tip(path, ref)
    if change is None:
        raise click.UsageError(f"{path} has no {ref or 'branch at its HEAD'}")
    return _tell_and_follow(HookFile.read(hooks_folder(path) / "slipway.json"), path, [change], again=f"{path}")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON as the API gives it.")


@hook.command("deliveries")
@click.option("--project", help="Only of this project.")
@click.option("--verdict", help="Only accepted, ignored, duplicate or refused ones.")
@click.option("--limit", default=20, show_default=True, help="At most so many.")
@json_option
def deliveries(project: str | None, verdict: str | None, limit: int, as_json: bool) -> None:
    """List what was received, newest first, and what became of it."""
    from commands.deliveries import list_deliveries

    list_deliveries(project, verdict, limit, as_json=as_json)


@hook.command("redeliver")
@click.argument("delivery", metavar="ID")
@json_option
def redeliver(delivery: str, as_json: bool) -> None:
    """Have a delivery taken in once more."""
    from commands.deliveries import redeliver

    redeliver(delivery, as_json=as_json)


@hook.command("test")
@click.option("--project", required=True, help="The project whose forge is played.")
@json_option
def test(project: str, as_json: bool) -> int:
    """Post a signed sample of what the project's forge posts, one that starts nothing, and print the answer."""
    from commands.deliveries import test

    return test(project, as_json=as_json)


def _tell_and_follow(file: HookFile, repository: Path, changes: list[Change], *, again: str) -> int:
    """Tell Slipway what changed and show what becomes of it; return an exit code."""
    code = 0
    for start in range(0, len(changes), MOST_IN_ONE):
        some = describe(repository, changes[start : start + MOST_IN_ONE])
        try:
            told = post(file, some)
        except Unheard as fault:
            _say_unheard(str(fault), some, again)
            return 5
        code = max(code, _show(file, told))
    return code


def _show(file: HookFile, told: Told) -> int:
    if told.code != "accepted":
        click.echo(f"Slipway: {told.detail}")
    codes = [follow(file, run, click.echo) for run in told.runs[:MOST_FOLLOWED]]
    for run in told.runs[MOST_FOLLOWED:]:
        click.echo(f"{file.project} {run} was started too")
    return 0 if told.heard else max([1, *codes])


def _say_unheard(why: str, changes: list[Change], again: str) -> None:
    click.echo("Your push is safe in the repository, but Slipway did not hear of it:")
    click.echo(f"  {why}")
    click.echo("Tell it again, once it can hear:")
    for change in changes[:5]:
        click.echo(f"  {ROOT / 'slipway'} hook resend {again} --ref {change.ref}")
