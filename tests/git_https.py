"""A git host on loopback that speaks https, and does what a test wants of a bad one."""

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts import need


class Files(http.server.SimpleHTTPRequestHandler):
    """Serves a directory and remembers what was asked for, and with which header of authorization."""

    asked: list[str]
    elsewhere: str
    held: str
    said: bytes
    wanted: str
    refusal: int
    shown: list[str | None]
    refuses = False  # whoever shows a token

    def do_GET(self) -> None:
        self.asked.append(self.path)
        given = self.headers["Authorization"]
        self.shown.append(given)
        if (self.wanted and self.wanted != given) or (self.refuses and given):
            self.send_response(self.refusal)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Type", "text/plain")
            page = f"go away, {given}".encode()
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)
            return
        if self.held and self.held in self.path:
            self.connection.settimeout(10)
            self.asked.append("closed" if self.rfile.read(1) == b"" else "said more")
            return
        if self.said:
            self.send_response(200)
            self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
            self.send_header("Content-Length", str(len(self.said)))
            self.end_headers()
            self.wfile.write(self.said)
            return
        if self.elsewhere:
            self.send_response(302)
            self.send_header("Location", self.elsewhere + self.path)
            self.send_header("Content-Length", "0")  # or git would stop at the end of TLS, not at the redirect
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def make_certificate(folder: Path) -> Path:
    """Make a certificate of this machine, with its key, and the same beside it without."""
    need("git", "openssl")
    path = folder / "both.pem"
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    name = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:git.test")
    where = ("-keyout", str(path), "-out", f"{path}.crt")
    subprocess.run(["openssl", "req", *kind, *name, *where], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@contextmanager
def serving(
    directory: Path,
    certificate: Path,
    *,
    elsewhere: str = "",
    held: str = "",
    said: bytes = b"",
    wanted: str = "",
    refusal: int = 401,
    shown: list[str | None] | None = None,
) -> Iterator[tuple[str, list[str]]]:
    """Serve a directory as a git host does, or badly; yield where, and the list of what is asked for."""
    asked: list[str] = []
    does = {"elsewhere": elsewhere, "held": held, "said": said, "wanted": wanted, "refusal": refusal}
    handler = type("Here", (Files,), {**does, "asked": asked, "shown": [] if shown is None else shown})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *arguments: handler(*arguments, directory=str(directory))
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
