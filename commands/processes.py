"""`slipway process NAME`: write the configuration a part needs, then become that part."""

import os
import sys
from collections.abc import Callable

import click

from config.settings import ROOT, Settings
from pipeline.errors import NotFound
from runtime import stack_daemons
from runtime.dnsmasq import Dnsmasq
from runtime.haproxy import Haproxy
from runtime.haproxy_file import Front
from runtime.stack import INSTANCE, PART
from runtime.stack_keep import tell_keeper

Argv = tuple[str, ...]
ANYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


@click.command()
@click.argument("name")
def process(name: str) -> None:
    """Be one part of the system: redis, registry, proxy, dns, web, worker, chat, forges, upkeep or clock."""
    if name not in PARTS:
        raise NotFound(f"there is no part {name!r}; the parts are {', '.join(PARTS)}", code="unknown_part")
    settings = Settings()
    argv = PARTS[name](settings)
    os.environ |= {
        "SLIPWAY_HOME": str(settings.home),
        "PYTHONUNBUFFERED": "1",
        PART: f"{settings.home_id}/{os.environ.get(INSTANCE, name)}",
    }
    tell_keeper(argv, (PART, "SLIPWAY_HOME", "PYTHONUNBUFFERED"))
    os.chdir(ROOT)
    os.execv(argv[0], argv)  # noqa: S606 - becoming the program is the point


def redis(settings: Settings) -> Argv:
    """Return what starts Redis, on a socket of this home."""
    return stack_daemons.redis(settings.home, run=settings.run)


def registry(settings: Settings) -> Argv:
    """Return what starts the image registry, on loopback."""
    return stack_daemons.registry(settings.home, host="127.0.0.1", port=settings.registry.port)


def proxy(settings: Settings) -> Argv:
    """Return what starts HAProxy, with the routes there were."""
    haproxy = Haproxy(directory=settings.home / "proxy", run=settings.run)
    front = Front(
        address=settings.proxy.address,
        port=settings.proxy.http_port,
        web_host="127.0.0.1" if settings.web.host in ANYWHERE else settings.web.host,
        web_port=settings.web.port,
        dashboards=dashboard_names(settings),
    )
    haproxy.write_config(front)
    return tuple(haproxy.argv())


def dns(settings: Settings) -> Argv:
    """Return what starts dnsmasq, with the names there were."""
    dnsmasq = Dnsmasq(directory=settings.home / "dns", address=settings.proxy.address, zones=settings.domains)
    dnsmasq.write_config(listen=settings.dns.host, port=settings.dns.port, run=settings.run)
    return tuple(dnsmasq.argv())


def web(_settings: Settings) -> Argv:
    """Return what starts gunicorn with the web process's application."""
    return (sys.executable, "-m", "gunicorn", "-c", str(ROOT / "config" / "gunicorn.py"), "app:create_app()")


def worker(_settings: Settings) -> Argv:
    """Return what starts a worker of stages."""
    return _workers("stages")


def chat(_settings: Settings) -> Argv:
    """Return what starts the worker that speaks to people."""
    return _workers("chat")


def forges(_settings: Settings) -> Argv:
    """Return what starts the worker that speaks to git hosts."""
    return _workers("forges")


def upkeep(_settings: Settings) -> Argv:
    """Return what starts the worker that keeps right what serves, and reaps."""
    return _workers("upkeep")


def clock(_settings: Settings) -> Argv:
    """Return what starts the reconciler."""
    return _workers("clock")


def dashboard_names(settings: Settings) -> tuple[str, ...]:
    """Return the names by which the proxy leads to the pages."""
    return tuple(name for zone in settings.domains for name in (zone, f"slipway.{zone}"))


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
    "forges": forges,
    "upkeep": upkeep,
    "clock": clock,
}
