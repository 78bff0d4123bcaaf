"""HAProxy's sockets: the admin socket of the process at work, and the master's, which reloads and sees old workers."""

import csv
import re
import socket
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pipeline.health import pauses
from pipeline.routes import Traffic
from runtime.haproxy_file import MAP

ANSWER_WITHIN = 5.0
BACK_WITHIN = 2.0
CHUNK = 65536
PROMPT = b"> "

# https://docs.haproxy.org/2.6/management.html, "show servers state": srv_admin_state
MAINTENANCE = 0x01 | 0x02 | 0x04 | 0x20 | 0x40
DRAINING = 0x08 | 0x10
OLD_WORKER = re.compile(r"^(\d+)\s+worker\s", re.MULTILINE)

Live = dict[tuple[str, str], "LiveServer"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveServer:
    """A server as the running process has it; no traffic at all (maintenance) is None."""

    address: str
    port: int
    traffic: Traffic | None


class AdminSocket:
    """One connection to a worker. It stays with that worker even while a reload brings the next one."""

    def __init__(self, path: Path) -> None:
        self._socket = connect(path)
        try:
            self.command("prompt")
        except BaseException:
            self.close()
            raise

    def command(self, line: str) -> str:
        """Send one command and return what it answers."""
        self._socket.sendall(line.encode() + b"\n")
        answer = b""
        while not (answer == PROMPT or answer.endswith(b"\n" + PROMPT)):
            received = self._socket.recv(CHUNK)
            if not received:
                raise ConnectionResetError("HAProxy closed its admin socket")
            answer += received
        return answer.removesuffix(PROMPT).decode(errors="replace").strip()

    def backends(self) -> frozenset[str]:
        """Return the names of all backends."""
        return frozenset(self.command("show backend").split("\n")[1:])

    def servers(self) -> Live:
        """Return every server, by backend and name."""
        rows = [line.split(" ") for line in self.command("show servers state").split("\n")]
        return {(row[1], row[3]): _live_server(row) for row in rows if len(row) > 18 and row[0].isdecimal()}

    def hosts(self) -> dict[str, str]:
        """Return the map from host names to backends."""
        rows = [line.split(" ") for line in self.command(f"show map {MAP}").split("\n")]
        return {row[1]: row[2] for row in rows if len(row) == 3}

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class MasterSocket:
    """The master's socket: a connection for each command, since a reload closes it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self, line: str) -> str:
        """Send one command and return what it answers. For a moment during a reload nobody listens: then it waits."""
        with closing(self._connect()) as connection:
            connection.sendall(line.encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(CHUNK), b""))
        return answer.decode(errors="replace")

    def old_workers(self) -> list[str]:
        """Return the process ids of workers that a reload replaced and that still have requests to end."""
        _, _, old = self.ask("show proc").partition("# old workers\n")
        return OLD_WORKER.findall(old.partition("\n#")[0])

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + BACK_WITHIN
        pause = pauses()
        while True:
            try:
                return connect(self._path)
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(next(pause))


def connect(path: Path) -> socket.socket:
    """Connect to a unix socket; every answer has a deadline."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(ANSWER_WITHIN)
        connection.connect(str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def statistics(answer: str, server: str) -> dict[str, str]:
    """Return a server's row of what `show stat` answers, by column; nothing if it is not there."""
    rows = csv.DictReader(answer.removeprefix("# ").strip().splitlines())
    return next((row for row in rows if row.get("svname") == server), {})


def _live_server(row: list[str]) -> LiveServer:
    flags = int(row[6])
    traffic = None if flags & MAINTENANCE else Traffic.DRAIN if flags & DRAINING else Traffic.OPEN
    return LiveServer(address=row[4], port=int(row[18]), traffic=traffic)
