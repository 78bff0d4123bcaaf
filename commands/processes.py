"""`slipway process NAME`: write the configuration a part needs, then become that part."""

import os
import sys
from collections.abc import Callable

import click

from config.settings import ROOT, Settings
from pipeline.errors import NotFound
from runtime import stack_daemons
from runtime.stack import INSTANCE, PART

Argv = tuple[str, ...]


@click.command()
@click.argument("name")
def process(name: str) -> None:
    """Be one part of the system: redis, registry, proxy, dns, web, worker, chat or clock."""
    if name not in PARTS:
        raise NotFound(f"there is no part {name!r}; the parts are {', '.join(PARTS)}", code="unknown_part")
    settings = Settings()
    argv = PARTS[name](settings)
    os.environ |= {
        "SLIPWAY_HOME": str(settings.home),
        "PYTHONUNBUFFERED": "1",
        PART: f"{settings.home_id}/{os.environ.get(INSTANCE, name)}",
    }
    os.chdir(ROOT)
    os.execv(argv[0], argv)  # noqa: S606 - becoming the program is the point


def redis(settings: Settings) -> Argv:
    """Return what starts Redis, on a socket of this home."""
    return stack_daemons.redis(settings.home, run=settings.run)


def registry(settings: Settings) -> Argv:
    """Return what starts the image registry, on loopback."""
    return stack_daemons.registry(settings.home, host="127.0.0.1", port=settings.registry.port)


def proxy(settings: Settings) -> Argv:
    """Return what starts HAProxy."""
    raise NotImplementedError


def dns(settings: Settings) -> Argv:
    """Return what starts dnsmasq."""
    raise NotImplementedError


def web(_settings: Settings) -> Argv:
    """Return what starts gunicorn with the web process's application."""
    return (sys.executable, "-m", "gunicorn", "-c", str(ROOT / "config" / "gunicorn.py"), "app:create_app()")


def worker(_settings: Settings) -> Argv:
    """Return what starts a worker of stages."""
    return _workers("stages")


def chat(_settings: Settings) -> Argv:
    """Return what starts the worker that speaks to people."""
    return _workers("chat")


def clock(_settings: Settings) -> Argv:
    """Return what starts the reconciler."""
    return _workers("clock")


def _workers(kind: str) -> Argv:
    return (sys.executable, "-m", "workers", kind)


PARTS: dict[str, Callable[[Settings], Argv]] = {
    "redis": redis,
    "registry": registry,
    "proxy": proxy,
    "dns": dns,
    "web": web,
    "worker": worker,
    "chat": chat,
    "clock": clock,
}
