"""`slipway down`: stop what `up` started; with `--all`, remove everything it made."""

import time

import click

from config.settings import Settings
from pipeline.errors import Unavailable
from runtime.stack_checks import engine_answers
from runtime.stack_engine import OwnEngine, exec_root, own_engine, stop_engine
from runtime.stack_home import empty_home
from runtime.stack_pid import read_mark
from runtime.stack_stop import stop_stack


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also remove all that carries this home's label, and its data.")
def down(everything: bool) -> None:
    """Stop what `up` started; fine if nothing is up."""
    settings = Settings()
    began = time.monotonic()
    pid_file = settings.home / "run" / "up.pid"
    ended, killed = stop_stack(read_mark(pid_file), settings.home_id)
    pid_file.unlink(missing_ok=True)
    took = f"in {time.monotonic() - began:.1f} s"
    if ended or killed:
        click.echo(f"stopped {ended} processes {took}" + (f", {killed} of them had to be killed" if killed else ""))
    else:
        click.echo("nothing was up")
    if everything:
        _remove_everything(settings)


def _remove_everything(settings: Settings) -> None:
    unreached = [url for url in _engines(settings) if not _clear_engine(url, settings.home_id)]
    engine = own_engine(settings.home)
    stays = engine is not None and not _stop(engine, settings)
    others = [path for path in (settings.run, exec_root(settings.home_id)) if not path.is_relative_to(settings.home)]
    left = empty_home(settings.home, *([] if stays else others), keep=("engine",) if stays else ())
    click.echo(f"removed what Slipway made in {settings.home}" + (f"; left {', '.join(left)}" if left else ""))
    if not settings.database_url.startswith(f"sqlite:///{settings.home}"):
        click.echo("the database is not in the home, so it was left alone")
    if unreached:
        sentence = f"no engine answers at {', '.join(unreached)}, so nothing was removed there"
        raise Unavailable(sentence, code="engine_unavailable", fix="Start it and run ./slipway down --all again.")


def _engines(settings: Settings) -> tuple[str, ...]:
    """Return where this home's things may be: the engine of the settings, and the home's own."""
    engine = own_engine(settings.home)
    return tuple(dict.fromkeys([settings.docker.host, *([engine.socket] if engine else [])]))


def _clear_engine(url: str, home_id: str) -> bool:
    if engine_answers(url) is not None:
        return False
    from runtime.stack_remove import remove_all

    remove_all(url, home_id, click.echo)
    return True


def _stop(engine: OwnEngine, settings: Settings) -> bool:
    """Stop the home's own engine, unless another home runs on it."""
    from runtime.stack_remove import other_homes

    others = other_homes(engine.socket, settings.home_id)
    if others:
        click.echo(f"the engine that bin/setup started stays: the homes {', '.join(others)} have containers on it")
        return False
    if not stop_engine(engine):
        click.echo(f"the engine (pid {engine.pid}) did not stop; its data stays in {settings.home / 'engine'}")
        return False
    click.echo("stopped the engine that bin/setup had started")
    return True
