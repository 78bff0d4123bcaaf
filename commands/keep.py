"""`slipway keep`: the supervisor of one part."""

import click

from runtime.stack_keep import keep as keep_running


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
def keep(argv: tuple[str, ...]) -> None:
    """Run a program and start it again whenever it ends, until told to stop."""
    keep_running(argv, lambda line: click.echo(f"keep: {line}"))
