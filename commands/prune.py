"""`slipway prune`: take away what is left over and what is past its time; say first what that is."""

import logging

import click

from pipeline.names import run_name, short
from pipeline.retention import share
from workers.prune import Preview


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(dry_run: bool, yes: bool) -> None:
    """Remove what nothing needs: leftovers on the engine, images, runs and logs past what is kept.

    Nothing that serves, that an environment may go back to, or that a run is at work with is ever removed.
    """
    from workers.entry import context
    from workers.prune import clean, preview

    ctx = context()
    logging.getLogger().setLevel(logging.WARNING)
    found = preview(ctx)
    lines = list(_lines(found))
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo("nothing is left over, nothing is past its time")
    if dry_run or not (yes or click.confirm("Remove this, and what images leave in the registry and on the engine?")):
        return
    for orphan in found.orphans:
        ctx.engine.discard(orphan.owned)
    spent = clean(ctx)
    counts = f"{len(found.orphans)} leftovers, {len(spent.images)} images, {len(spent.runs)} runs"
    click.echo(f"removed {counts}, the logs of {len(spent.logs)} more")


def _lines(found: Preview) -> list[str]:
    lines = [f"{orphan.owned.kind} {orphan.owned.name}: {orphan.why}" for orphan in found.orphans]
    lines += [f"image {image.name}:{short(image.revision)}: {share([image.size])}" for image in found.spent.images]
    lines += [f"run {run_name(run)}: with all that is kept of it" for run in found.spent.runs]
    return lines + [f"run {run_name(run)}: its transcripts and artifacts" for run in found.spent.logs]
