"""One look at a container from outside: whether it may be given requests."""

import re
import socket
import time
from urllib.parse import quote

STATUS = re.compile(rb"HTTP/\d\.\d (\d{3})\b")
LONGEST_STATUS = 4096
WELL = range(200, 400)
SAFE = "/?&=%:@!$'()*+,;~"


def http_probe(address: str, port: int, path: str | None, timeout: float) -> str | None:
    """Return None if a container answers well, else a sentence about what it answered instead.

    With a path it must answer a GET with 2xx or 3xx, else an open port will do. `timeout` seconds are for all of it.
    """
    deadline = time.monotonic() + timeout
    try:
        with socket.create_connection((address, port), timeout=timeout) as wire:
            return None if path is None else _get(wire, f"{address}:{port}", path, deadline)
    except TimeoutError:
        return f"gave no answer within {timeout:g} s{f' on {path}' if path else f' on port {port}'}"
    except ConnectionRefusedError:
        return f"refused the connection on port {port}"
    except OSError as fault:
        return f"cannot be reached on port {port}: {fault.strerror or fault}"


def _get(wire: socket.socket, host: str, path: str, deadline: float) -> str | None:
    target = quote(path if path.startswith("/") else f"/{path}", safe=SAFE)
    lines = (f"GET {target} HTTP/1.1", f"Host: {host}", "User-Agent: slipway-probe", "Accept: */*", "Connection: close")
    wire.sendall("\r\n".join((*lines, "", "")).encode())
    status = _status_line(wire, deadline)
    match = STATUS.match(status)
    if not status:
        return f"closed the connection without an answer on {path}"
    if not match:
        return f"does not speak HTTP on {path}"
    return None if int(match[1]) in WELL else f"answered {int(match[1])} on {path}"


def _status_line(wire: socket.socket, deadline: float) -> bytes:
    """Read the first line and no more, however slowly it comes; the deadline is for the whole line."""
    line = b""
    while b"\n" not in line and len(line) < LONGEST_STATUS:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        wire.settimeout(left)
        chunk = wire.recv(LONGEST_STATUS)
        if not chunk:
            break
        line += chunk
    return line.partition(b"\n")[0]
