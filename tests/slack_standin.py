"""A stand-in for Slack: a real HTTP server on loopback that answers as Slack does, refusals and faults included."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "xoxb-standin"
MOST_BLOCKS = 50
SECTION = 3000
TEXT = 40_000


@dataclass
class Fault:
    """What to answer instead: a status and headers, an error of Slack's, silence, or a lost answer to a done deed."""

    status: int = 200
    error: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    silent: float = 0.0
    after: bool = False


@dataclass
class SlackStandin:
    """What Slack knows: channels by name and id, messages by channel and timestamp, answers to commands."""

    url: str = ""
    channels: dict[str, str] = field(default_factory=lambda: {"#deploys": "C0DEPLOYS", "#shop": "C0SHOP"})
    messages: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    _count: int = 0

    def fail(self, **fault: Any) -> None:
        """Answer the next call so instead of doing it."""
        self.faults.append(Fault(**fault))

    @property
    def response_url(self) -> str:
        """An address that takes five answers, as each command brings one."""
        return self.url.replace("/api/", "/commands/T1/1")

    def one(self) -> dict[str, Any]:
        """Return the only message there is."""
        (message,) = self.messages.values()
        return message

    def forget(self) -> None:
        """Delete every message, as a person may."""
        self.messages.clear()

    def handle(self, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        """Do a call of the web API and return Slack's answer."""
        self.calls.append(path)
        refusal = "" if token == f"Bearer {TOKEN}" else "invalid_auth"
        refusal = refusal or _refusal(body)
        if refusal:
            return {"ok": False, "error": refusal}
        return self._post(body) if path == "chat.postMessage" else self._update(body)

    def answer(self, body: dict[str, Any]) -> int:
        """Take an answer to a command and return the status."""
        self.calls.append("response_url")
        if len(self.answers) >= 5:
            return 404
        if body.get("response_type") not in {"ephemeral", "in_channel"} or not body.get("text"):
            return 400
        self.answers.append(body)
        return 200

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        channel = self.channels.get(body["channel"], body["channel"])
        if channel not in self.channels.values():
            return {"ok": False, "error": "channel_not_found"}
        self._count += 1
        ts = f"1763690400.{self._count:06d}"
        self.messages[channel, ts] = {**body, "edits": 0}
        return {"ok": True, "channel": channel, "ts": ts}

    def _update(self, body: dict[str, Any]) -> dict[str, Any]:
        # Unlike posting, redrawing takes the channel's id and nothing else.
        if body["channel"] not in self.channels.values():
            return {"ok": False, "error": "channel_not_found"}
        known = self.messages.get((body["channel"], body.get("ts", "")))
        if known is None:
            return {"ok": False, "error": "message_not_found"}
        known.update(text=body["text"], blocks=body.get("blocks", []), edits=known["edits"] + 1)
        return {"ok": True, "channel": body["channel"], "ts": body["ts"]}


@contextmanager
def standin() -> Iterator[SlackStandin]:
    """Run a stand-in on a free port for as long as the block lasts."""
    slack = SlackStandin()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(slack))
    server.daemon_threads = True
    slack.url = f"http://127.0.0.1:{server.server_address[1]}/api/"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield slack
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(slack: SlackStandin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fault = slack.faults.popleft() if slack.faults else None
            if fault is not None and fault.silent and not fault.after:
                time.sleep(fault.silent)
                return
            if fault is not None and not fault.after:
                self._send(fault.status, {"ok": False, "error": fault.error}, fault.headers)
                return
            self._do(body, lambda status, data: None if fault else self._send(status, data, {}))

        def _do(self, body: dict[str, Any], send: Callable[[int, Any], None]) -> None:
            if self.path.startswith("/api/"):
                token = self.headers.get("Authorization", "")
                send(200, slack.handle(self.path.removeprefix("/api/"), token, body))
            else:
                send(slack.answer(body), "ok")

        def _send(self, status: int, data: Any, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            payload = json.dumps(data).encode() if not isinstance(data, str) else data.encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


def _refusal(body: dict[str, Any]) -> str:
    """Return the error Slack would answer a body with, or nothing."""
    if not body.get("channel"):
        return "channel_not_found"
    if not str(body.get("text", "")).strip():
        return "no_text"
    if len(body["text"]) > TEXT:
        return "msg_too_long"
    blocks = body.get("blocks", [])
    return "" if len(blocks) <= MOST_BLOCKS and all(map(_fits, blocks)) else "invalid_blocks"


def _fits(block: dict[str, Any]) -> bool:
    if block.get("type") == "context":
        elements = block.get("elements", [])
        return 1 <= len(elements) <= 10 and all(1 <= len(one["text"]) <= 2000 for one in elements)
    return block.get("type") == "section" and 1 <= len(block["text"]["text"]) <= SECTION
