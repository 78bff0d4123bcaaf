"""`slipway doctor`: one line a check, and the command that mends what does not hold."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import click

from commands.doctor_data import clock_beats, database_is_current, names_resolve
from commands.doctor_forges import answers
from commands.parts import checks
from config.settings import ROOT, Settings
from pipeline.errors import SlipwayError
from runtime.disk import Disk, places
from runtime.shelf import EngineShelf
from runtime.stack_checks import Check, ask_redis, engine_answers, redis_is_safe
from runtime.stack_daemons import EVERYWHERE
from runtime.stack_facts import engine_facts
from runtime.wire import Wire

PROGRAMS = ("git", "redis-server", "haproxy", "dnsmasq", "docker-registry", "busybox", "curl", "dig")
SETUP = "bin/setup"
UP = "./slipway up -d"
FAILED = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One thing that must hold: `look` returns None, or a sentence about what is wrong."""

    what: str
    look: Check
    fix: str


@click.command()
def doctor() -> None:
    """Check everything Slipway leans on; exit 0 only if all holds."""
    settings = Settings()
    wrong = 0
    for rule in _rules(settings):
        why = _ask(rule.look)
        wrong += why is not None
        click.echo(f"✓ {rule.what}" if why is None else f"✗ {rule.what}: {why}\n    mend it with: {rule.fix}")
    _describe_engine(settings)
    click.echo(f"{wrong} of these do not hold" if wrong else "all of it holds")
    sys.exit(FAILED if wrong else 0)


def _rules(settings: Settings) -> Iterator[Rule]:
    yield Rule(what=f"Python {sys.version.split()[0]}", look=_python, fix=f"apt-get install python3; {SETUP}")
    yield Rule(what="Python packages as locked", look=_packages, fix=SETUP)
    for name in PROGRAMS:
        yield Rule(what=f"program {name}", look=partial(_program, name), fix=SETUP)
    yield Rule(what=f"engine at {settings.docker.host}", look=partial(engine_answers, settings.docker.host), fix=SETUP)
    yield Rule(what="room to build", look=partial(_room, settings), fix="./slipway prune, or more disk")
    yield Rule(what="database", look=partial(database_is_current, settings.database_url), fix=UP)
    for name, look in checks(settings).items():
        yield Rule(what=name, look=look, fix=UP)
    safe = "CONFIG SET maxmemory-policy noeviction; a unix socket, loopback or a password"
    yield Rule(what="Redis keeps what it is given", look=partial(redis_is_safe, settings.redis_url), fix=safe)
    yield Rule(what="workers listen", look=partial(_workers, settings), fix=UP)
    yield Rule(what="the clock beats", look=partial(clock_beats, settings.database_url), fix=UP)
    names = partial(names_resolve, settings.database_url, settings.dns.host, settings.dns.port)
    yield Rule(what="names of deployments resolve", look=names, fix=UP)
    for what, (look, fix) in answers(settings).items():
        yield Rule(what=what, look=look, fix=fix)


def _describe_engine(settings: Settings) -> None:
    """Say what engine this is; its age is a warning, as nothing here can mend it."""
    if engine_answers(settings.docker.host) is None:
        facts = engine_facts(settings.docker.host)
        click.echo(f"- {facts.sentence}" + (f"\n! {facts.warning}" if facts.warning else ""))


def _ask(look: Check) -> str | None:
    try:
        return look()
    except SlipwayError as error:
        return error.sentence


def _python() -> str | None:
    return None if sys.version_info >= (3, 11) else "Slipway needs 3.11 or newer"


def _packages() -> str | None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pairs = [line.split(" ")[0].split("==") for line in lines if "==" in line and line[0].isalnum()]
    wrong = [name for name, number in pairs if _installed(name) != number]
    return f"{', '.join(wrong)} differ from requirements.lock" if wrong else None


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _program(name: str) -> str | None:
    return None if shutil.which(name) or shutil.which(name, path=EVERYWHERE) else "not installed"


def _room(settings: Settings) -> str | None:
    there = next(path for path in (settings.home, *settings.home.parents) if path.is_dir())
    root = EngineShelf(Wire(settings.docker.host), settings.home_id).root
    return Disk(places(there, root), settings.limits.disk_free).lack()


def _workers(settings: Settings) -> str | None:
    number = ask_redis(settings.redis_url, "SCARD rq:workers")
    return None if number.isdigit() and int(number) > 0 else "no worker is registered with Redis"
