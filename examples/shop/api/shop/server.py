"""The shop's API: the basket as JSON, the revision, and a health check."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shop.basket import Basket

BASKET = Basket()
LOCK = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """Answers three paths."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a request."""
        answers = {"/healthz": self.health, "/": self.basket, "/revision": self.revision}
        answer = answers.get(self.path)
        self.reply(*(answer() if answer else (404, {"error": f"no {self.path} here"})))

    def health(self) -> tuple[int, dict[str, object]]:
        return 200, {"ok": True}

    def basket(self) -> tuple[int, dict[str, object]]:
        with LOCK:
            BASKET.add("apple")
            return 200, {"things": dict(BASKET.things), "total": BASKET.total()}

    def revision(self) -> tuple[int, dict[str, object]]:
        return 200, {"revision": os.environ.get("SLIPWAY_REVISION")}

    def reply(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


def main() -> None:
    server = ThreadingHTTPServer(("", 8000), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()
