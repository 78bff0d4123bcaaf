"""One look at each part: None if it answers as it should, else a sentence about what it does instead."""

import http.client
import secrets
import socket
import struct
from collections.abc import Callable
from pathlib import Path

Check = Callable[[], str | None]
SECONDS = 2.0


def redis_answers(url: str) -> str | None:
    """Ask Redis for a sign of life."""
    answer = ask_redis(url, "PING")
    return None if answer == "PONG" else f"Redis does not answer at {url}{f' ({answer})' if answer else ''}"


def redis_is_safe(url: str) -> str | None:
    """Check that Redis forgets nothing when memory is short, and that strangers cannot reach it."""
    policy = ask_redis(url, "CONFIG GET maxmemory-policy")
    if policy != "noeviction":
        return f"Redis drops what it holds when memory is short (maxmemory-policy is {policy or 'unknown'})"
    local = url.startswith("unix:") or "@" in url or any(f"://{host}:" in url for host in ("127.0.0.1", "localhost"))
    return None if local else "Redis is on a network address without a password"


def ask_redis(url: str, command: str) -> str:
    """Return the last line Redis answers to a command; empty if it does not answer."""
    if not url.startswith("unix:"):
        return _ask_redis_client(url, command)
    path = url.removeprefix("unix://").partition("?")[0]
    try:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(SECONDS)
            wire.connect(path)
            wire.sendall(f"{command}\r\n".encode())
            lines = wire.recv(4096).decode().split("\r\n")
    except OSError:
        return ""
    return lines[-2].lstrip("+-:") if len(lines) > 1 else ""


def socket_is_served(path: Path) -> str | None:
    """Check that a process listens at a datagram socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        try:
            wire.connect(str(path))
        except OSError as fault:
            return f"nobody listens at {path} ({_reason(fault)})"
    return None


def http_answers(host: str, port: int, path: str = "/", *, status: int | None = None) -> str | None:
    """Check that an HTTP server answers, with this status if one is named."""
    wire = http.client.HTTPConnection(host, port, timeout=SECONDS)
    try:
        wire.request("GET", path)
        got = wire.getresponse().status
    except (OSError, http.client.HTTPException) as fault:
        return f"nothing answers at http://{host}:{port}{path} ({_reason(fault)})"
    finally:
        wire.close()
    return None if status in (None, got) else f"http://{host}:{port}{path} answers {got} instead of {status}"


def dns_answers(host: str, port: int, name: str, *, resolves: bool = False) -> str | None:
    """Check that a name server answers a question about `name`; with `resolves`, that it knows an address."""
    number = secrets.randbelow(1 << 16)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    question = struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.settimeout(SECONDS)
            wire.connect((host, port))
            wire.send(question)
            answer = wire.recv(4096)
    except OSError as fault:
        return f"no name server answers at {host}:{port} ({_reason(fault)})"
    got, _flags, _questions, answers = struct.unpack(">4H", answer[:8])
    if got != number:
        return f"the name server at {host}:{port} answered another question"
    return f"the name server at {host}:{port} does not know {name}" if resolves and not answers else None


def engine_answers(url: str) -> str | None:
    """Check that a container engine answers at its socket or address."""
    if not url.startswith("unix://"):
        host, _, port = url.partition("://")[2].rstrip("/").partition(":")
        return http_answers(host, int(port or 2375), "/_ping", status=200)
    try:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(SECONDS)
            wire.connect(url.removeprefix("unix://"))
            wire.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            answer = wire.recv(64)
    except OSError as fault:
        return f"no engine answers at {url} ({_reason(fault)})"
    return None if b" 200 " in answer else f"what answers at {url} is no container engine"


def _ask_redis_client(url: str, command: str) -> str:
    from redis import Redis  # noqa: PLC0415 - slow to import, and seldom needed
    from redis.exceptions import RedisError  # noqa: PLC0415

    try:
        with Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as client:
            answer = client.execute_command(*command.split())
    except RedisError:
        return ""
    if isinstance(answer, dict):
        answer = next(iter(answer.values()), "")
    return "PONG" if answer is True else answer.decode() if isinstance(answer, bytes) else str(answer)


def _reason(fault: Exception) -> str:
    return getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
