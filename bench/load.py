"""The load: one process that keeps so many connections busy with signed GitHub pushes and times every answer."""

import hashlib
import hmac
import json
import selectors
import socket
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECRET = "whsec_" + "c2xpcHdheSBiZW5jaCBzZWNyZXQgb2YgMzIgYnl0ZXM="
PUSH = Path(__file__).parents[1] / "tests" / "payloads" / "github" / "push_branch.json"
SIZE = 10_000
BRANCHES = 500
END_OF_HEAD = b"\r\n\r\n"


@dataclass(kw_only=True, slots=True)
class Line:
    """One connection: what it has read of its answer, and when it asked."""

    stream: socket.socket
    asked: float = 0.0
    read: bytearray = field(default_factory=bytearray)


def requests(count: int, seed: str, path: str) -> deque[bytes]:
    """Return so many raw requests, each a delivery and a commit of its own, spread over some hundred branches."""
    known = json.loads(PUSH.read_bytes())
    text = known if isinstance(known.get("head_commit"), dict) else known["body"]
    return deque(_request(text, number, seed, path) for number in range(count))


def _request(push: dict[str, Any], number: int, seed: str, path: str) -> bytes:
    after = hashlib.sha1(f"{seed}-{number}".encode(), usedforsecurity=False).hexdigest()
    said = push | {"ref": f"refs/heads/b{number % BRANCHES}", "after": after}
    body = json.dumps(_grown(said)).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"User-Agent: GitHub-Hookshot/1\r\n"
        f"X-GitHub-Event: push\r\nX-GitHub-Delivery: {seed}-{number}\r\nX-Hub-Signature-256: sha256={signature}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _grown(push: dict[str, Any]) -> dict[str, Any]:
    """Return a push as long as GitHub's are: most of it are addresses of the repository's parts."""
    about, size = dict(push["repository"]), len(json.dumps(push))
    for number in range(SIZE // 20):
        if size >= SIZE:
            break
        name, address = f"part_{number}_url", f"https://api.github.com/repos/acme/shop/parts/{number}{{/number}}"
        about[name] = address
        size += len(name) + len(address) + 8
    return push | {"repository": about}


def run(port: int, connections: int, waiting: deque[bytes]) -> dict[str, Any]:
    """Send everything over so many connections, the next as soon as the last is answered; return what was seen."""
    times: list[float] = []
    codes: Counter[int] = Counter()
    selector = selectors.DefaultSelector()
    for _ in range(min(connections, len(waiting))):
        line = Line(stream=socket.create_connection(("127.0.0.1", port)))
        line.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(line.stream, selectors.EVENT_READ, line)
        _ask(line, waiting.popleft())
    began = time.perf_counter()
    while selector.get_map():
        for key, _ in selector.select():
            line = key.data
            status = _answered(line)
            if not status:
                continue
            times.append(time.perf_counter() - line.asked)
            codes[status] += 1
            if waiting:
                _ask(line, waiting.popleft())
            else:
                selector.unregister(line.stream)
                line.stream.close()
    return _summary(times, codes, time.perf_counter() - began)


def _ask(line: Line, request: bytes) -> None:
    line.read.clear()
    line.asked = time.perf_counter()
    line.stream.sendall(request)


def _answered(line: Line) -> int:
    """Return the status once the whole answer is there, else 0."""
    part = line.stream.recv(65_536)
    if not part:
        raise ConnectionError("the server hung up")
    line.read += part
    head, ended, body = bytes(line.read).partition(END_OF_HEAD)
    if not ended or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
        return 0
    return int(head[9:12])


def _summary(times: list[float], codes: Counter[int], seconds: float) -> dict[str, Any]:
    times.sort()
    return {
        "rate": len(times) / seconds,
        "p50": times[len(times) // 2] * 1000,
        "p99": times[int(len(times) * 0.99)] * 1000,
        "count": len(times),
        "codes": dict(codes),
    }


def main() -> None:
    """Read port, connections, count, a seed and the path from the command line; print one line of JSON."""
    port, connections, count, seed, path = sys.argv[1:6]
    print(json.dumps(run(int(port), int(connections), requests(int(count), seed, path))))


if __name__ == "__main__":
    main()
