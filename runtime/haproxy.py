"""The proxy: HAProxy, by files that say everything and a socket that brings the running process to them."""

import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import structlog
from pydantic import ValidationError

from pipeline.errors import Unavailable
from pipeline.health import pauses
from pipeline.routes import Routes
from runtime.checks import check_path, check_socket
from runtime.files import locked, replace
from runtime.haproxy_file import DOOR, MAP, PICTURE, Front, Picture, backend, check, render, render_map, shape
from runtime.haproxy_live import bring
from runtime.haproxy_socket import AdminSocket, MasterSocket, statistics
from runtime.stack_daemons import program

LOCK_WITHIN = 20.0
VALID_WITHIN = 10.0
RELOAD_WITHIN = 10.0
OPEN_STATUS = {"UP", "no check"}

log = structlog.get_logger(__name__)


class Haproxy:
    """HAProxy with its files in `directory`, its sockets and the lock in `run`."""

    def __init__(self, *, directory: Path, run: Path, binary: str = "haproxy") -> None:
        self._directory = directory
        self._run = run
        self._binary = binary
        self._configuration = directory / "haproxy.cfg"
        self._map = directory / MAP
        self._picture = directory / "routes.json"
        self._admin = run / "haproxy.sock"
        self._master = run / "haproxy-master.sock"

    def write_config(self, front: Front) -> None:
        """Write the files for a HAProxy about to start at `front`, with the routes there were."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._run.mkdir(parents=True, exist_ok=True)
        with locked(self._run / "proxy.lock", LOCK_WITHIN):
            self._write(self._last().behind(front), trust=False)

    def argv(self) -> list[str]:
        """Return the command that runs HAProxy in the foreground; its files are named relative to theirs (-C)."""
        master = f"{check_socket(self._master)},mode,600"
        # Quiet (-q): HAProxy would tell of each server on each deployment, which Slipway does itself.
        return [
            program(self._binary),
            "-q",
            "-W",
            "-S",
            master,
            "-C",
            str(check_path(self._directory)),
            "-f",
            self._configuration.name,
        ]

    def apply(self, read: Callable[[], Routes]) -> None:
        """Make the files and the running proxy what `read` returns. Raises Rejected, changing nothing, or Unavailable.

        `read` is asked inside the lock: somebody who waited, or was taken for dead and is not, then shows what is true
        now and can never put an older picture over a newer one.
        """
        with locked(self._run / "proxy.lock", LOCK_WITHIN):
            picture = self._load().showing(read())
            self._write(picture)
            if picture.front is None:
                log.info("proxy_not_started_yet", routes=len(picture.routes))
                return
            self._bring(picture)

    def sessions(self, route: int, server: str) -> int:
        """Return how many requests a server is still answering; 0 if it is not known, 1 if the proxy does not say."""
        command = f"show stat {backend(route)} 4 -1"
        try:
            with closing(AdminSocket(self._admin)) as admin:
                current = _sessions(admin.command(command), server)
            master = MasterSocket(self._master)
            return current + sum(_left_over(master.ask(f"@!{pid} {command}"), server) for pid in master.old_workers())
        except (FileNotFoundError, ConnectionRefusedError):
            return 0
        except OSError:
            # Nobody can tell: it counts as busy, and its time to drain decides.
            return 1

    def _last(self) -> Picture:
        try:
            return self._load()
        except Unavailable as fault:
            # A proxy without routes can still show the dashboard, and the next apply tells it all of them.
            log.error("proxy_picture_lost", reason=fault.sentence)
            return Picture()

    def _load(self) -> Picture:
        try:
            return PICTURE.validate_json(self._picture.read_bytes())
        except FileNotFoundError:
            return Picture()
        except ValidationError as fault:
            raise Unavailable(
                f"{self._picture} is damaged", code="proxy_picture", fix="Restart the proxy: it is then written anew."
            ) from fault

    def _write(self, picture: Picture, *, trust: bool = True) -> None:
        """Write what has changed, the configuration only if HAProxy finds it valid; else nothing is changed."""
        check(picture)
        self._directory.mkdir(parents=True, exist_ok=True)
        if picture.front is not None:
            configuration = render(picture, self._admin, self._run / DOOR)
            if not self._map.exists():
                replace(self._map, render_map(picture))
            # Server lines are an id, an IP address and a port, each checked: they cannot make a valid file invalid.
            # So HAProxy is asked (25 ms) only when something else has changed, and a cut-over does not wait for it.
            if not trust or shape(configuration) != shape(_read(self._configuration)):
                self._validate(configuration)
            _put(self._configuration, configuration)
            _put(self._map, render_map(picture))
        _put(self._picture, PICTURE.dump_json(picture, indent=1))

    def _validate(self, configuration: bytes) -> None:
        command = [program(self._binary), "-c", "-C", str(self._directory), "-f", "/dev/stdin"]
        try:
            done = subprocess.run(command, input=configuration, capture_output=True, timeout=VALID_WITHIN, check=False)
        except (OSError, subprocess.TimeoutExpired) as fault:
            raise Unavailable(f"{self._binary} could not be asked: {fault}", code="proxy_unavailable") from fault
        if done.returncode != 0:
            reason = " ".join((done.stderr + done.stdout).decode(errors="replace").split())
            raise Unavailable(f"HAProxy refuses its new configuration: {reason[:500]}", code="proxy_config")

    def _bring(self, picture: Picture) -> None:
        try:
            admin = AdminSocket(self._admin)
        except (FileNotFoundError, ConnectionRefusedError):
            log.warning("proxy_is_down", detail="its files are up to date and will be read when it starts")
            return
        except OSError as fault:
            raise _silent(fault) from fault
        with closing(admin):
            try:
                if _has_room(admin, picture):
                    bring(admin, picture)
                else:
                    self._reload(picture)
            except OSError as fault:
                raise _silent(fault) from fault

    def _reload(self, picture: Picture) -> None:
        """Start a worker that has read the new file; the one before ends its requests and goes."""
        with suppress(ConnectionResetError):  # the master answers by starting anew
            MasterSocket(self._master).ask("reload")
        deadline = time.monotonic() + RELOAD_WITHIN
        for pause in pauses():
            with suppress(OSError), closing(AdminSocket(self._admin)) as admin:
                if _has_room(admin, picture):
                    bring(admin, picture)
                    log.info("proxy_reloaded", backends=picture.backends)
                    return
            if time.monotonic() > deadline:
                raise Unavailable("HAProxy was told to reload and did not", code="proxy_reload")
            time.sleep(pause)


def _has_room(admin: AdminSocket, picture: Picture) -> bool:
    return admin.backends() >= {backend(number) for number in range(1, picture.backends + 1)}


def _silent(fault: OSError) -> Unavailable:
    return Unavailable(f"HAProxy stopped answering: {fault}", code="proxy_unavailable")


def _sessions(answer: str, server: str) -> int:
    row = statistics(answer, server)
    return int(row.get("scur") or 0) + int(row.get("qcur") or 0)


def _left_over(answer: str, server: str) -> int:
    """Count an old worker's requests; it cannot be told to drain, so a server it holds open may yet get another."""
    status = statistics(answer, server).get("status")
    return max(_sessions(answer, server), 1 if status in OPEN_STATUS else 0)


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _put(path: Path, data: bytes) -> None:
    if _read(path) != data:
        replace(path, data)
