"""Ports: which are wanted, which are free, and who holds one that is not."""

import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import Unavailable

PROC = Path("/proc")
TABLES = {socket.SOCK_STREAM: ("tcp", "tcp6"), socket.SOCK_DGRAM: ("udp", "udp6")}
LISTENING = {socket.SOCK_STREAM: "0A", socket.SOCK_DGRAM: "07"}
TRIES = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A port one part listens on: `section` and `field` are its setting; 0 asks for a free one, best `before`'s."""

    section: str
    field: str
    host: str
    port: int
    datagrams: bool = False
    before: int = 0

    @property
    def variable(self) -> str:
        """The setting's name as people write it."""
        return f"SLIPWAY_{self.section}__{self.field}".upper()

    @property
    def kinds(self) -> tuple[socket.SocketKind, ...]:
        """The kinds of socket that must all be free on the one number."""
        return (socket.SOCK_DGRAM, socket.SOCK_STREAM) if self.datagrams else (socket.SOCK_STREAM,)


def resolve(wanted: Iterable[Wanted]) -> dict[str, dict[str, int]]:
    """Return every port, nested as the settings are. Raises Unavailable, naming the holder, if one is taken."""
    chosen: dict[str, dict[str, int]] = {}
    with ExitStack() as held:
        for want in sorted(wanted, key=lambda want: want.port == 0):
            port = _free(want, held) if want.port == 0 else _check(want, held)
            chosen.setdefault(want.section, {})[want.field] = port
    return chosen


def read_ports(path: Path) -> dict[str, dict[str, int]]:
    """Return the ports a file keeps; none if it is not there or was not written to its end."""
    try:
        found: dict[str, dict[str, int]] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found


def before(ports: Mapping[str, Mapping[str, int]], section: str, field: str) -> int:
    """Return the port a part had the last time, or 0."""
    return ports.get(section, {}).get(field, 0)


def holder(port: int, kind: socket.SocketKind) -> str:
    """Return who listens on a port, as far as /proc tells: `redis-server (pid 12)`, or nothing."""
    inodes = {inode for table in TABLES[kind] for inode in _listeners(table, port, LISTENING[kind])}
    links = {f"socket:[{inode}]" for inode in inodes}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and _has_open(entry, links):
            return f"{(entry / 'comm').read_text().strip()} (pid {entry.name})"
    return ""


def _check(want: Wanted, held: ExitStack) -> int:
    for kind in want.kinds:
        if _bind(want, want.port, kind, held) is None:
            who = holder(want.port, kind) or "another program"
            raise Unavailable(
                f"port {want.port} of {want.host} is taken by {who}",
                code="port_taken",
                fix=f"Set {want.variable} to another port, or to 0 for any free one.",
            )
    return want.port


def _free(want: Wanted, held: ExitStack) -> int:
    for candidate in (want.before, *([0] * TRIES)):
        with ExitStack() as attempt:
            first, *others = want.kinds
            port = _bind(want, candidate, first, attempt)
            if port and all(_bind(want, port, kind, attempt) for kind in others):
                held.push(attempt.pop_all())
                return port
    raise Unavailable(f"no free port on {want.host}", code="port_taken", fix=f"Set {want.variable}.")


def _bind(want: Wanted, port: int, kind: socket.SocketKind, held: ExitStack) -> int | None:
    """Hold a port until `held` ends, so that no two parts are given the same; return its number if it was free."""
    family = socket.AF_INET6 if ":" in want.host else socket.AF_INET
    probe = socket.socket(family, kind)
    if kind == socket.SOCK_STREAM:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((want.host, port))
        if kind == socket.SOCK_STREAM:
            probe.listen(1)
    except OSError:
        probe.close()
        return None
    held.enter_context(probe)
    return int(probe.getsockname()[1])


def _listeners(table: str, port: int, state: str) -> list[str]:
    path = PROC / "net" / table
    rows = [line.split() for line in path.read_text().splitlines()[1:]] if path.is_file() else []
    return [row[9] for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] == state]


def _has_open(entry: Path, links: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in links for link in (entry / "fd").iterdir())
    except OSError:
        return False
