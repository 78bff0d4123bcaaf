"""Where everything of a home is, in words for people and for programs; `slipway status`."""

import json
from collections.abc import Mapping

import click

from commands.parts import checks
from config.settings import Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Say what is up, and where."""
    settings = Settings()
    found = {name: look() for name, look in checks(settings).items()}
    if as_json:
        click.echo(json.dumps(facts(settings, {name: "down" if why else "up" for name, why in found.items()})))
        return
    word = "up" if not any(found.values()) else "down" if all(found.values()) else "partly up"
    click.echo(f"Slipway is {word}: {settings.web_url} ({settings.home})")
    for name, why in found.items():
        click.echo(line(settings, name, why))


def facts(settings: Settings, words: Mapping[str, str]) -> dict[str, object]:
    """Return what `status --json` prints; a port that is still to be chosen is null."""
    return {
        "up": all(word == "up" for word in words.values()),
        "home": str(settings.home),
        "home_id": settings.home_id,
        "web": settings.web_url if settings.web.public_url or settings.web.port else None,
        "proxy": {"http": settings.proxy.http_port or None, "https": None},
        "dns": {"host": settings.dns.host, "port": settings.dns.port or None},
        "registry": settings.registry_address if settings.registry.url or settings.registry.port else None,
        "redis": _without_password(settings.redis_url),
        "parts": dict(words),
    }


def addresses(settings: Settings) -> str:
    """Return what `up` says when all is up."""
    return "\n".join(
        (
            f"Slipway is up: {settings.web_url}",
            f"  names are answered at {settings.dns.host}:{settings.dns.port}"
            f" and routed at http://{settings.proxy.address}:{settings.proxy.http_port}",
            f"  images are kept at {settings.registry_address}, everything else in {settings.home}",
            "  stop it with: ./slipway down",
        )
    )


def line(settings: Settings, name: str, why: str | None) -> str:
    """Return one part's line: where it is, or what is wrong with it."""
    places = {
        "web": settings.web_url,
        "proxy": f"http://{settings.proxy.address}:{settings.proxy.http_port}",
        "dns": f"{settings.dns.host}:{settings.dns.port}",
        "registry": settings.registry_address,
        "redis": _without_password(settings.redis_url),
    }
    return f"  {'✗' if why else '✓'} {name:<9} {why or places.get(name, '')}".rstrip()


def _without_password(url: str) -> str:
    scheme, found, rest = url.partition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2]}"
