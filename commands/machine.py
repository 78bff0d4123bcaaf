"""`slipway up`: the whole system on this machine, in the foreground or detached."""

import json
import subprocess
import sys
import time
from pathlib import Path

import click

from commands.parts import checks, parts, wanted_ports
from commands.places import addresses, line
from config.settings import ROOT, Settings
from pipeline.errors import Unavailable
from runtime.files import replace
from runtime.stack import UP, part_environment, run_stack
from runtime.stack_home import private_folder
from runtime.stack_pid import own_mark, read_mark
from runtime.stack_ports import resolve
from runtime.stack_stop import stop_stack

START_SECONDS = 60
LOG_LIMIT = 20 * 1024**2
TERMINATED = 143
PRIVATE = 0o600


@click.command()
@click.option("-d", "--detach", is_flag=True, help="Come back once every part answers, and leave it running.")
def up(detach: bool) -> None:
    """Start the whole system on this machine, private to SLIPWAY_HOME."""
    home = private_folder(Settings().home)
    for folder in (home / "run", home / "log", Settings().run):
        private_folder(folder)
    pid_file = home / "run" / "up.pid"
    if read_mark(pid_file) is not None:
        click.echo(f"Slipway is already up: {Settings().web_url} ({home})")
        return
    replace(pid_file, str(own_mark()).encode(), mode=PRIVATE)
    try:
        settings = _choose_ports(home / "run")
        _migrate(settings)
        code = _start_detached(settings) if detach else _run(settings)
    except BaseException:
        pid_file.unlink(missing_ok=True)
        raise
    sys.exit(code)


@click.command(hidden=True)
def stack() -> None:
    """Run every part in the foreground; `up -d` has prepared the home."""
    sys.exit(_run(Settings()))


def _choose_ports(run: Path) -> Settings:
    """Settle every port, keep them where all settings are read from, and return the settings with them."""
    if (run / "ports.json").is_file():
        # Out of the way first: the settings must say what is wanted now, not what was chosen the last time.
        (run / "ports.json").rename(run / "ports.last.json")
    chosen = resolve(wanted_ports(Settings()))
    replace(run / "ports.json", json.dumps(chosen, indent=2).encode(), mode=PRIVATE)
    return Settings()


def _migrate(settings: Settings) -> None:
    from store.migrate import upgrade

    upgrade(settings.database_url)


def _run(settings: Settings) -> int:
    """Run every part under honcho until told to stop; return the exit code."""
    pid_file = settings.home / "run" / "up.pid"
    replace(pid_file, str(own_mark()).encode(), mode=PRIVATE)
    env = {**part_environment(), "SLIPWAY_HOME": str(settings.home)}
    try:
        code = run_stack(
            parts(settings), home_id=settings.home_id, env=env, folder=ROOT, started=lambda: _announce(settings)
        )
    finally:
        pid_file.unlink(missing_ok=True)
    return 0 if code == TERMINATED else code


def _announce(settings: Settings) -> None:
    looks = checks(settings).values()
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not any(look() for look in looks):
            click.echo(addresses(settings))
            return
        time.sleep(0.5)


def _start_detached(settings: Settings) -> int:
    """Start every part in a session of its own and wait until each answers; else take all down, raise Unavailable."""
    began = time.monotonic()
    log = settings.home / "log" / "slipway.log"
    if log.is_file() and log.stat().st_size > LOG_LIMIT:
        log.rename(log.with_suffix(".log.1"))
    start = log.stat().st_size if log.is_file() else 0
    try:
        missing = _wait(settings, _detach(settings, log))
    except BaseException:
        _take_down(settings)
        raise
    if missing:
        _take_down(settings)
        raise Unavailable(_what_failed(missing, log, start), code="part_down", fix=f"All of the log is in {log}")
    click.echo(f"{addresses(settings)}\n  it took {time.monotonic() - began:.1f} s")
    return 0


def _take_down(settings: Settings) -> None:
    stop_stack(read_mark(settings.home / "run" / "up.pid"), settings.home_id)


def _detach(settings: Settings, log: Path) -> "subprocess.Popen[bytes]":
    env = {**part_environment(), UP: settings.home_id, "SLIPWAY_HOME": str(settings.home)}
    argv = [sys.executable, str(ROOT / "cli.py"), "stack"]
    with log.open("ab") as output:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=ROOT, env=env
        )


def _wait(settings: Settings, child: "subprocess.Popen[bytes]") -> dict[str, str]:
    """Wait for every part, say each as it comes; return those that did not come, with what is wrong."""
    looks = checks(settings)
    wrong = dict.fromkeys(looks, "did not start")
    deadline = time.monotonic() + START_SECONDS
    while wrong and time.monotonic() < deadline and child.poll() is None:
        for name in list(wrong):
            why = looks[name]()
            if why is None:
                del wrong[name]
                click.echo(line(settings, name, None))
            else:
                wrong[name] = why
        time.sleep(0.05)
    return wrong if wrong or child.poll() is None else {"system": "ended as soon as it was up"}


def _what_failed(missing: dict[str, str], log: Path, start: int) -> str:
    text = log.read_bytes()[start:].decode("utf-8", "replace").splitlines()
    lines = [f"{', '.join(missing)} did not come up within {START_SECONDS} s; everything is stopped again"]
    for name, why in missing.items():
        lines.append(f"  ✗ {name}: {why}")
        lines += [f"      {row}" for row in text if name in row.partition("|")[0].split()][-5:]
    return "\n".join(lines)
