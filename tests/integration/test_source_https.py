import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import Unavailable
from runtime.source import GitSource
from tests.parts import need
from tests.repositories import Repository

MAIN = "refs/heads/main"


class Files(http.server.SimpleHTTPRequestHandler):
    """Serves a directory and remembers what was asked for."""

    asked: list[str]
    elsewhere: str

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.elsewhere:
            self.send_response(302)
            self.send_header("Location", self.elsewhere + self.path)
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("git", "openssl")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    name = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    where = ("-keyout", str(path), "-out", f"{path}.crt")
    subprocess.run(["openssl", "req", *kind, *name, *where], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture(autouse=True)
def _trusting(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSL_CAINFO", f"{certificate}.crt")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@contextmanager
def serving(directory: Path, certificate: Path, elsewhere: str = "") -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Here", (Files,), {"asked": asked, "elsewhere": elsewhere})
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


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    repository = Repository.make(tmp_path / "www" / "shop.git")
    repository.commit({"Dockerfile": b"FROM scratch\n"})
    repository.git("update-server-info")
    return repository


def test_a_repository_is_fetched_over_https(remote: Repository, certificate: Path, tmp_path: Path) -> None:
    revision = remote.git("rev-parse", MAIN)
    source = GitSource(tmp_path / "home", local_paths=False)
    with serving(remote.path.parent, certificate) as (address, _):
        source.fetch("shop", f"{address}/shop.git", MAIN, revision)
    assert source.read("shop", revision, "Dockerfile") == b"FROM scratch\n"


def test_a_certificate_nobody_vouches_for_is_refused(
    remote: Repository, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_SSL_CAINFO")
    source = GitSource(tmp_path / "home", local_paths=False)
    with serving(remote.path.parent, certificate) as (address, asked):
        with pytest.raises(Unavailable):
            source.fetch("shop", f"{address}/shop.git", MAIN, remote.git("rev-parse", MAIN))
        assert asked == []


def test_g4_a_variable_in_an_address_stays_what_it_is(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_KEY", "secret")
    source = GitSource(tmp_path / "home", local_paths=False)
    with serving(tmp_path, certificate) as (address, asked):
        with pytest.raises(Unavailable):
            source.fetch("shop", f"{address}/$SLIPWAY_KEY", MAIN, "1" * 40)
        assert asked
        assert all(path.startswith("/$SLIPWAY_KEY/") for path in asked)


def test_g10_a_redirect_is_not_followed(remote: Repository, certificate: Path, tmp_path: Path) -> None:
    source = GitSource(tmp_path / "home", local_paths=False)
    with (
        serving(remote.path.parent, certificate) as (inside, reached),
        serving(tmp_path, certificate, elsewhere=inside) as (address, asked),
    ):
        with pytest.raises(Unavailable, check=lambda error: error.code == "source_unavailable"):
            source.fetch("shop", f"{address}/shop.git", MAIN, remote.git("rev-parse", MAIN))
        assert asked
        assert reached == []
