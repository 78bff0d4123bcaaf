"""The name server: dnsmasq, which notices each file that comes, changes or goes in its hostsdir by itself."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import Rejected, Unavailable
from pipeline.routes import Route, Routes
from runtime.checks import check_address, check_host, check_path, check_port
from runtime.files import locked, remove, replace
from runtime.stack_daemons import program
from runtime.templates import render

# Names lead to the proxy and seldom change, but when they do nobody should wait.
TTL = 5
LOCK_WITHIN = 20.0
VALID_WITHIN = 10.0
OWN = "slipway"
ROUTE_FILE = re.compile(r"r[0-9]+")


class Dnsmasq:
    """dnsmasq with its files in `directory`, answering `address` for the names of `zones` and of nothing else."""

    def __init__(self, *, directory: Path, address: str, zones: tuple[str, ...]) -> None:
        self._hosts = directory / "hosts"
        self._configuration = directory / "dnsmasq.conf"
        self._lock = directory / "names.lock"
        self._address = address
        self._zones = zones

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names of Slipway itself, always there: the zones and `slipway.` in each; a health check asks for one."""
        return tuple(name for zone in self._zones for name in (zone, f"{OWN}.{zone}"))

    def write_config(self, *, listen: str, port: int, run: Path) -> None:
        """Write the configuration for a dnsmasq about to start at this address; the names there were stay."""
        configuration = render(
            "dnsmasq.conf.j2",
            listen=check_address(listen),
            port=check_port(port),
            root=os.geteuid() == 0,
            pid_file=check_path(run / "dnsmasq.pid"),
            zones=[check_host(zone) for zone in self._zones],
            ttl=TTL,
            hosts=check_path(self._hosts),
        )
        run.mkdir(parents=True, exist_ok=True)
        self._hosts.mkdir(parents=True, exist_ok=True)
        _validate(configuration)
        with locked(self._lock, LOCK_WITHIN):
            replace(self._configuration, configuration)
            self._put(OWN, self._lines(self.own_names))

    def argv(self) -> list[str]:
        """Return the command that runs dnsmasq in the foreground."""
        return [program("dnsmasq"), f"--conf-file={self._configuration}"]

    def apply(self, read: Callable[[], Routes]) -> None:
        """Publish the names of the routes that `read` returns and no others.

        `read` is asked inside the lock, so that nobody puts an older picture over a newer one.
        Raises Rejected, changing nothing, for a foreign name.
        """
        self._hosts.mkdir(parents=True, exist_ok=True)
        with locked(self._lock, LOCK_WITHIN):
            files = {f"r{route.id}": self._lines(self._ours(route)) for route in read().routes if route.hosts}
            for name, lines in files.items():
                self._put(name, lines)
            for path in self._hosts.iterdir():
                if ROUTE_FILE.fullmatch(path.name) and path.name not in files:
                    remove(path)

    def _ours(self, route: Route) -> tuple[str, ...]:
        for host in route.hosts:
            if not check_host(host).endswith(tuple(f".{zone}" for zone in self._zones)):
                raise Rejected(f"{host} is in none of the zones {', '.join(self._zones)}", code="foreign_name")
        return route.hosts

    def _lines(self, names: tuple[str, ...]) -> bytes:
        address = check_address(self._address)
        return "".join(f"{address} {name}\n" for name in names).encode()

    def _put(self, name: str, lines: bytes) -> None:
        path = self._hosts / name
        if not path.exists() or path.read_bytes() != lines:
            replace(path, lines)


def _validate(configuration: bytes) -> None:
    command = [program("dnsmasq"), "--test", "--conf-file=-"]
    try:
        done = subprocess.run(command, input=configuration, capture_output=True, timeout=VALID_WITHIN, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise Unavailable(f"dnsmasq could not be asked: {fault}", code="names_unavailable") from fault
    if done.returncode != 0:
        reason = " ".join(done.stderr.decode(errors="replace").split())
        raise Unavailable(f"dnsmasq refuses its configuration: {reason[:500]}", code="names_config")
