"""The parts of a running system as the settings describe them: which there are, and how each is looked at."""

import socket
from functools import partial

from config.settings import ROOT, Settings
from runtime import stack_checks
from runtime.stack import PART, Part, read_procfile
from runtime.stack_checks import Check
from runtime.stack_pid import marked
from runtime.stack_ports import Wanted, before, read_ports

# The queue each line of workers listens to.
QUEUES = {"worker": "stages", "chat": "chat", "forges": "forges", "upkeep": "upkeep"}


def parts(settings: Settings) -> tuple[Part, ...]:
    """Return the parts this home runs itself: not Redis and not the registry where the settings name another."""
    elsewhere = set()
    if settings.redis_url != f"unix://{settings.run / 'redis.sock'}":
        elsewhere.add("redis")
    if settings.registry.url:
        elsewhere.add("registry")
    everything = read_procfile((ROOT / "Procfile").read_text(), settings.workers)
    return tuple(part for part in everything if part.line not in elsewhere)


def checks(settings: Settings) -> dict[str, Check]:
    """Return how to look at each part, by its name; Redis and the registry also where they are elsewhere."""
    web = "127.0.0.1" if settings.web.host in {"0.0.0.0", "::"} else settings.web.host  # noqa: S104 - compared, not bound
    known: dict[str, Check] = {
        "redis": partial(stack_checks.redis_answers, settings.redis_url),
        "registry": partial(_registry_answers, settings),
        "proxy": partial(stack_checks.http_answers, settings.proxy.address, settings.proxy.http_port),
        "dns": partial(stack_checks.dns_answers, settings.dns.host, settings.dns.port, settings.domain),
        "clock": partial(stack_checks.socket_is_served, settings.run / "clock.sock"),
        "web": partial(stack_checks.http_answers, web, settings.web.port, "/healthz", status=200),
    }
    mine = parts(settings)
    works = {part.name: partial(_works, settings, part.name, QUEUES.get(part.line, part.line)) for part in mine}
    names = dict.fromkeys(["redis", "registry", *works])
    return {name: known.get(name) or works[name] for name in names}


def wanted_ports(settings: Settings) -> tuple[Wanted, ...]:
    """Return the ports that this home's own parts listen on, with those they had the last time."""
    last = read_ports(settings.home / "run" / "ports.last.json")
    rows = [
        ("web", "port", settings.web.host, settings.web.port),
        ("proxy", "http_port", settings.proxy.address, settings.proxy.http_port),
        ("dns", "port", settings.dns.host, settings.dns.port),
    ]
    if not settings.registry.url:
        rows.append(("registry", "port", "127.0.0.1", settings.registry.port))
    return tuple(
        Wanted(
            section=section,
            field=field,
            host=host,
            port=port,
            datagrams=section == "dns",
            before=before(last, section, field),
        )
        for section, field, host, port in rows
    )


def _registry_answers(settings: Settings) -> str | None:
    host, _, port = settings.registry_address.partition("/")[0].rpartition(":")
    if (settings.registry.url and settings.registry.url.startswith("https://")) or not port.isdigit():
        return None
    return stack_checks.http_answers(host, int(port), "/v2/", status=200)


def _works(settings: Settings, name: str, queue: str) -> str | None:
    """Look for the worker's process and for its entry in Redis: it makes that once it listens."""
    host = socket.gethostname()
    for pid in marked(PART, f"{settings.home_id}/{name}"):
        entry = f"rq:worker:{queue}-{host}-{pid}"
        if stack_checks.ask_redis(settings.redis_url, f"SISMEMBER rq:workers {entry}") == "1":
            return None
    return f"{name} does not listen to its queue"
