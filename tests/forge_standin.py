"""Stand-ins for git hosts: real HTTP servers on loopback that answer by the hosts' rules, or with a fault.

By hand: `python -m tests.forge_standin github` prints where it listens and what it takes.
"""

import json
import socket
import ssl
import struct
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.forge_rules import RULES, Call, Host, Said, read

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: a closed connection is reset


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What to do instead of answering well: another answer, silence, or a cut line; `deed`: it is done all the same.

    `ECHO` in a page stands for the header of authorization that was shown.
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    page: str = ""
    silent: bool = False
    cut: bool = False
    deed: bool = False


ECHO = "{authorization}"
WELL = Fault(deed=True)
WAIT = Fault(status=429, headers=(("Retry-After", "7"),))
BROKEN = Fault(status=500)
GATEWAY = Fault(status=502, page="<html>Bad Gateway</html>")
PAGE = Fault(status=200, page="<html>Sign in to the hotel's network</html>")
CUT = Fault(cut=True)
LOST = Fault(cut=True, deed=True)
SILENT = Fault(silent=True)
SECONDARY = Fault(status=403, page='{"message": "You have exceeded a secondary rate limit."}')
PASSING = (WAIT, BROKEN, GATEWAY, PAGE, CUT, LOST, SECONDARY)


@dataclass
class Standin:
    """One host: where it listens, what it knows, what it was asked, and the faults that come next."""

    forge: str
    url: str = ""
    host: Host = field(default_factory=Host)
    calls: list[Call] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    loud: bool = False
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, *faults: Fault) -> None:
        """Meet the next calls so."""
        self.faults.extend(faults)

    def answer(self, call: Call) -> tuple[Said | None, Fault | None]:
        """Do a call, unless a fault comes first."""
        with self.lock:
            self.calls.append(call)
            fault = self.faults.popleft() if self.faults else None
            said = RULES[self.forge](self.host, call) if fault is None or fault.deed else None
        if self.loud:
            sys.stdout.write(f"{call.method} {call.path} {json.dumps(call.body)} -> {said.status if said else fault}\n")
            sys.stdout.flush()
        return said, fault


@contextmanager
def standin(forge: str, *, loud: bool = False, certificate: Path | None = None) -> Iterator[Standin]:
    """Run a stand-in for one kind of host; with a certificate and its key it speaks https."""
    known = Standin(forge=forge, loud=loud)

    class Handler(_Handler):
        here = known

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    known.url = f"http://127.0.0.1:{server.server_port}"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        known.url = f"https://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield known
    finally:
        known.released.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    here: Standin

    def do_POST(self) -> None:
        self._do()

    def do_GET(self) -> None:
        self._do()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        said, fault = self.here.answer(read(self.command, self.path, headers, body))
        if said is not None and (fault is None or fault == WELL):
            self._say(said.status, json.dumps(said.body) if said.body is not None else "", "application/json", ())
        elif fault is None:
            raise AssertionError("neither an answer nor a fault")
        elif fault.silent:
            self.here.released.wait(5)
        elif fault.cut:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            self.close_connection = True
        else:
            kind = "text/html" if fault.page.startswith("<") else "application/json"
            page = (fault.page or '{"message": "no"}').replace(ECHO, headers.get("authorization", ""))
            self._say(fault.status, page, kind, fault.headers)

    def _say(self, status: int, text: str, kind: str, headers: tuple[tuple[str, str], ...]) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(text.encode()))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    with standin(sys.argv[1], loud=True) as running:
        running.host.commits = type("Any", (set,), {"__contains__": lambda _self, _one: True})()
        sys.stdout.write(f"{running.url}\n")
        sys.stdout.flush()
        threading.Event().wait()
