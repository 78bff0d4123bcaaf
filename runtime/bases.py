"""Base images made from this machine's own programs, so that nothing has to be pulled."""

import hashlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import ImageNotFound

from pipeline.errors import Unavailable
from runtime.bases_tree import Tree
from runtime.stack_api import engine_client
from runtime.stack_daemons import program
from runtime.stack_remove import home_tag

INPUTS = "dev.slipway.inputs"
SECONDS = 30
# Tests, graphical programs and what only building Python's own extensions needs: half of its size.
LEFT_OUT = frozenset({"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """One base image: how its tree is gathered, and how it runs."""

    name: str
    gather: Callable[[], Tree]
    command: tuple[str, ...]
    more: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """The name it is built under."""
        return f"slipway/base-{self.name}:local"

    @property
    def changes(self) -> list[str]:
        """The image's own configuration, as lines of a Dockerfile."""
        path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return [path, f"CMD {json.dumps(self.command)}", *self.more]


def build(base: Base, *, engine: str, home_id: str) -> str:
    """Build a base image unless it is there, made of the same files; return a sentence about it.

    Homes share it: each has a tag on it, and the last one to go takes it along (`stack_remove`).
    """
    began = time.monotonic()
    tree = base.gather()
    inputs = hashlib.sha256(f"{tree.digest()} {base.changes}".encode()).hexdigest()
    with engine_client(engine) as client:
        repository, _, tag = base.reference.partition(":")
        if _inputs(client, base.reference) == inputs:
            client.tag(base.reference, repository, tag=home_tag(home_id))
            return f"{base.reference} is already there"
        labels = [f'LABEL {INPUTS}="{inputs}"']
        with tempfile.TemporaryFile() as archive:
            tree.write(archive)
            size = archive.tell() / 1e6
            archive.seek(0)
            answer = client.import_image(archive, repository, tag, changes=base.changes + labels)
        if "error" in (last := json.loads(answer.splitlines()[-1])):
            raise Unavailable(f"the engine refused {base.reference}: {last['error']}", code="base_refused")
        client.tag(base.reference, repository, tag=home_tag(home_id))
    return f"{base.reference} built: {size:.1f} MB in {time.monotonic() - began:.1f} s"


def busybox() -> Tree:
    """Gather a static busybox with all its applets."""
    tree = Tree()
    tree.add_busybox(_static_busybox())
    return tree


def redis() -> Tree:
    """Gather redis-server and redis-cli with their libraries, and busybox."""
    tree = Tree()
    for name in ("redis-server", "redis-cli"):
        tree.add(Path(program(name)))
    tree.add_libraries()
    tree.add_busybox(_static_busybox())
    return tree


def python() -> Tree:
    """Gather Debian's own Python with its standard library and the libraries that loads, and busybox."""
    python3 = Path("/usr/bin/python3")
    if not python3.is_file():
        raise Unavailable("this machine has no /usr/bin/python3", code="program_missing", fix="Run bin/setup.")
    version = python3.resolve().name
    tree = Tree()
    tree.add(python3)
    config = next((path.name for path in Path("/usr/lib", version).glob("config-*")), "")
    tree.add_folder(Path("/usr/lib", version), LEFT_OUT | {config})
    tree.add_libraries()
    tree.add_busybox(_static_busybox())
    return tree


# A backing service of tests must take connections from its network; it holds nothing that should outlive it.
REDIS = ("redis-server", "--bind", "*", "--protected-mode", "no", "--save", "", "--dir", "/tmp")  # noqa: S108
BASES = {
    base.name: base
    for base in (
        Base(name="busybox", gather=busybox, command=("sh",)),
        Base(name="redis", gather=redis, command=REDIS, more=("EXPOSE 6379",)),
        Base(name="python", gather=python, command=("python3",), more=("ENV LANG=C.UTF-8 PYTHONUNBUFFERED=1",)),
    )
}


def _static_busybox() -> Path:
    path = Path(program("busybox"))
    # ldd knows: it fails for a program that loads nothing.
    if subprocess.run(["ldd", path], capture_output=True, timeout=SECONDS, check=False).returncode == 0:
        raise Unavailable(f"{path} is not static", code="program_missing", fix="apt-get install busybox-static")
    return Path(os.path.realpath(path))


def _inputs(client: docker.APIClient, reference: str) -> str:
    try:
        facts: dict[str, Any] = client.inspect_image(reference)  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return ""
    return str((facts["Config"]["Labels"] or {}).get(INPUTS, ""))
