"""A container engine of a test's own, in a network name space of its own, which may be killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.errors import Unavailable
from runtime.stack_home import _unmount_below as unmount_below


@dataclass(kw_only=True)
class OwnEngine:
    """A dockerd with data, sockets and bridges of its own. `folder` must have a short path."""

    folder: Path
    _space: "subprocess.Popen[bytes] | None" = None
    _daemon: "subprocess.Popen[bytes] | None" = None
    _log: Path = field(default=Path())

    @property
    def socket(self) -> str:
        """Where it listens."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def inside(self) -> tuple[str, ...]:
        """The words before a command that put it into the engine's network."""
        assert self._space is not None
        return ("nsenter", f"--net=/proc/{self._space.pid}/ns/net", "--")

    def open(self) -> None:
        """Make the network and start the engine; skips where this machine does not let us."""
        self.folder.mkdir(parents=True)
        self._log = self.folder / "dockerd.log"
        self._space = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && exec sleep 3600"])
        deadline = time.monotonic() + 10
        while not self._has_network():
            if self._space.poll() is not None or time.monotonic() > deadline:
                pytest.skip("this machine does not let us make a network name space")
            time.sleep(0.05)
        self.start()

    def start(self) -> None:
        """Start the engine and wait until it answers."""
        words = [
            "dockerd",
            f"--host={self.socket}",
            f"--data-root={self.folder}/data",
            f"--exec-root={self.folder}/exec",
            f"--pidfile={self.folder}/dockerd.pid",
        ]
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen([*self.inside, *words], stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._daemon.poll() is None and time.monotonic() < deadline, self._log.read_text()[-2000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill the engine, not the containers it has started."""
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait(30)
        # Its containerd dies with it. Where nobody collects the dead, the next engine would take it for alive.
        for left in ("dockerd.pid", "exec/containerd/containerd.pid", "exec/containerd/containerd.sock"):
            (self.folder / left).unlink(missing_ok=True)

    def close(self) -> None:
        """Take everything down."""
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.send_signal(signal.SIGTERM)
            self._daemon.wait(60)
        for pid in self._left():
            os.kill(pid, signal.SIGKILL)
        if self._space is not None:
            self._space.kill()
            self._space.wait(10)
        try:
            unmount_below(self.folder)
        except Unavailable as fault:
            pytest.fail(fault.sentence)
        shutil.rmtree(self.folder)

    def _has_network(self) -> bool:
        words = [*self.inside, "ip", "-br", "link", "show", "up"]
        return subprocess.run(words, capture_output=True, check=False).stdout.startswith(b"lo")

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            try:
                probe.connect(self.socket.removeprefix("unix://"))
                probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in probe.recv(64)
            except OSError:
                return False

    def _left(self) -> list[int]:
        """Return the containerd and the shims of an engine that was killed, known by its folder."""
        mine = f"{self.folder}/".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if b"containerd" in (line := path.read_bytes()) and mine in line:
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found
