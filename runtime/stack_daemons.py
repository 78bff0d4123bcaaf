"""Redis and the image registry: their configuration files, and how each is started."""

import secrets
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from pipeline.errors import Unavailable
from runtime.files import replace
from runtime.stack_home import private_folder
from runtime.templates import render

PRIVATE = 0o600
# Beside the registry's configuration where images have been removed whose room has not been given back.
COLLECT, COLLECT_SECONDS = "collect", 60
EVERYWHERE = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def redis(home: Path, *, run: Path) -> tuple[str, ...]:
    """Write Redis's configuration and return what starts it: on a socket only, durable, never forgetting."""
    folder = private_folder(home / "redis")
    path = folder / "redis.conf"
    text = render("redis.conf.j2", socket=private_folder(run) / "redis.sock", folder=folder)
    replace(path, text, mode=PRIVATE)
    return (program("redis-server"), str(path))


def registry(home: Path, *, host: str, port: int) -> tuple[str, ...]:
    """Write the registry's configuration and return what starts it."""
    folder = private_folder(home / "registry")
    path = folder / "registry.yml"
    values = {"folder": folder / "data", "address": f"{host}:{port}", "secret": secrets.token_hex(16)}
    replace(path, render("registry.yml.j2", **values), mode=PRIVATE)
    if (folder / COLLECT).exists():
        _collect(path)
        (folder / COLLECT).unlink(missing_ok=True)
    return (program("docker-registry"), "serve", str(path))


def _collect(config: Path) -> None:
    """Give back the room of images that were removed: that can only be done while nobody pushes, so before it serves.

    One that fails or takes too long leaves everything as it was; the next start tries again.
    """
    words = [program("docker-registry"), "garbage-collect", str(config)]
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(words, capture_output=True, timeout=COLLECT_SECONDS, check=False)


def program(name: str) -> str:
    """Return the path of a program. Raises Unavailable if this machine does not have it."""
    found = shutil.which(name) or shutil.which(name, path=EVERYWHERE)
    if found is None:
        raise Unavailable(f"this machine has no {name}", code="program_missing", fix="Run bin/setup.")
    return found
