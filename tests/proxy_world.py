"""A real HAProxy with real servers behind it, and clients that keep their connections and notice every loss."""

import http.client
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.routes import Route, Routes, Server, Traffic
from runtime.haproxy import Haproxy
from runtime.haproxy_file import Front
from runtime.haproxy_socket import AdminSocket

ROOT = Path(__file__).parent.parent
TARGET = Path(__file__).with_name("proxy_target.py")
DASHBOARD = "slipway.localhost"
HOST = "web.staging.shop.slipway.test"


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def until(true: Callable[[], bool], within: float = 5.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.002)


def accepts(port: int) -> bool:
    """Tell whether somebody listens on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a client got."""

    status: int
    text: str


class World:
    """HAProxy in a home of its own. Sockets need a short path, which pytest's own folders are not."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="slipway-px-"))
        self.port, self.web_port = free_port(), free_port()
        self.front = Front(address="127.0.0.1", port=self.port, web_port=self.web_port, dashboards=(DASHBOARD,))
        self.proxy = Haproxy(directory=self.home / "proxy", run=self.home / "run")
        self.master: subprocess.Popen[bytes] | None = None
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Do as the launcher does, and wait until the proxy answers."""
        self.proxy.write_config(self.front)
        self.master = self.run(*self.proxy.argv())
        until(lambda: accepts(self.port) and len(list((self.home / "run").glob("*.sock"))) == 3)

    def kill(self) -> None:
        """Kill the proxy as a machine short of memory would."""
        assert self.master
        self.master.send_signal(signal.SIGKILL)
        self.master.wait()
        until(lambda: not accepts(self.port))

    def run(self, *argv: str, quiet: bool = False) -> "subprocess.Popen[bytes]":
        """Start a program that ends with this world."""
        out = subprocess.DEVNULL if quiet else None
        self._children.append(subprocess.Popen(argv, cwd=ROOT, stdout=out, stderr=subprocess.DEVNULL))
        return self._children[-1]

    def close(self) -> None:
        """End everything."""
        for child in reversed(self._children):
            child.terminate()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.home)

    def target(self, name: str, port: int = 0) -> Server:
        """Start a server that says its name, wait until it answers, return it as a route holds it."""
        port = port or free_port()
        self.processes[name] = self.run(sys.executable, "-S", "-E", str(TARGET), str(port), name)
        until(lambda: accepts(port))
        return Server(name=name, address="127.0.0.1", port=port)

    def apply(self, *routes: Route) -> None:
        """Show the proxy these routes."""
        self.proxy.apply(lambda: Routes(routes=routes))

    def ask(self, host: str = HOST, path: str = "/", **headers: str) -> Answer:
        """Ask for a page of a name."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": host} | headers)
            response = connection.getresponse()
            return Answer(status=response.status, text=response.read().decode())
        finally:
            connection.close()

    def admin(self, *commands: str) -> list[str]:
        """Say something to the running proxy behind Slipway's back."""
        admin = AdminSocket(self.home / "run" / "haproxy.sock")
        try:
            return [admin.command(command) for command in commands]
        finally:
            admin.close()

    def files(self) -> dict[str, bytes]:
        """Return every file the proxy reads."""
        return {path.name: path.read_bytes() for path in (self.home / "proxy").iterdir()}


class Load:
    """Clients that keep their connections and count what they do not get."""

    def __init__(self, world: World, threads: int = 4, host: str = HOST) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._port, self._host = world.port, host
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        request = f"GET / HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode()
        connection: socket.socket | None = None
        while not self._stop.is_set():
            failure = ""
            try:
                connection = connection or socket.create_connection(("127.0.0.1", self._port), timeout=10)
                connection.sendall(request)
                failure, stay = _read(connection)
            except OSError as fault:
                failure, stay = repr(fault), False
            with self._lock:
                self.answered += 1
                self.failures += [failure] if failure else []
            if not stay and connection:
                connection.close()
                connection = None
        if connection:
            connection.close()


def _read(connection: socket.socket) -> tuple[str, bool]:
    """Return what is wrong with an answer, and whether the connection may be used again."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            return "closed without an answer", False
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        received = connection.recv(65536)
        if not received:
            return "cut in the middle of an answer", False
        body += received
    return "" if b" 200 " in head else head.split(b"\r\n")[0].decode(), b"connection: close" not in head.lower()


def route(*servers: Server, number: int = 1, hosts: Sequence[str] = (HOST,)) -> Route:
    """Return a route to these servers."""
    return Route(id=number, hosts=tuple(hosts), servers=servers)


def draining(server: Server) -> Server:
    """Return the server as one that gets no new requests."""
    return Server(name=server.name, address=server.address, port=server.port, traffic=Traffic.DRAIN)
