"""Whom the registry's password is shown to: the registry, and whoever sells its tokens where nobody can listen."""

import base64
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from pipeline.registries import Registry, RegistryForbidden
from runtime.registry import HttpRegistry
from runtime.registry_copy import RegistryCopies
from runtime.registry_http import RegistryHttp
from tests.git_https import make_certificate

PASSWORD = "open sesame"
BASIC = f"Basic {base64.b64encode(f'ana:{PASSWORD}'.encode()).decode()}"
DIGEST = f"sha256:{'1' * 64}"


class Host(http.server.ThreadingHTTPServer):
    """A host that answers from a table and remembers who was shown what."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"127.0.0.1:{self.server_port}"
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.shut = ""
        self.seen: list[tuple[str, str, str | None]] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Host

    def _answer(self) -> None:
        shown = self.headers["Authorization"]
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        path = self.path.partition("?")[0]
        self.server.seen.append((self.command, path, shown))
        code, headers, body = self.server.answers.get(f"{self.command} {path}", (404, {}, b""))
        if self.server.shut and not shown:
            code, headers, body = 401, {"WWW-Authenticate": self.server.shut}, b""
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[Callable[[], Host]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(_serving(Host()))


def _serving(host: Host) -> AbstractContextManager[Host]:
    @contextmanager
    def serving() -> Iterator[Host]:
        with host:
            threading.Thread(target=host.serve_forever, args=(0.01,), daemon=True).start()
            yield host
            host.shutdown()

    return serving()


def _ana(host: Host) -> Registry:
    return Registry(address=host.address, username="ana", password=PASSWORD)


def test_an_upload_elsewhere_is_called_off_without_our_password(host: Callable[[], Host]) -> None:
    ours, other = host(), host()
    ours.shut = 'Basic realm="here"'
    ours.answers["POST /v2/x/y/blobs/uploads/"] = 202, {"Location": f"http://{other.address}/up"}, b""
    other.answers["DELETE /up"] = 204, {}, b""
    HttpRegistry(_ana(ours)).check_push("x/y")
    assert ours.seen[-1][2] == BASIC
    assert other.seen == [("DELETE", "/up", None)]


def test_a_host_that_a_registry_names_cannot_ask_for_our_password(host: Callable[[], Host]) -> None:
    ours, other = host(), host()
    ours.shut = other.shut = 'Basic realm="here"'
    ours.answers["POST /v2/x/y/blobs/uploads/"] = 202, {"Location": f"http://{other.address}/up"}, b""
    with pytest.raises(RegistryForbidden):
        HttpRegistry(_ana(ours)).check_push("x/y")
    assert {shown for _, _, shown in other.seen} == {None}


def test_layers_that_a_registry_wants_elsewhere_go_there_without_our_password(host: Callable[[], Host]) -> None:
    ours, theirs, store = host(), host(), host()
    part = f'{{"mediaType": "x/config", "digest": "{DIGEST}", "size": 2}}'
    manifest = f'{{"config": {part}, "layers": []}}'.encode()
    ours.answers[f"GET /v2/x/y/manifests/{DIGEST}"] = 200, {"Content-Type": "x/manifest"}, manifest
    ours.answers[f"GET /v2/x/y/blobs/{DIGEST}"] = 200, {}, b"{}"
    theirs.shut = 'Basic realm="there"'
    theirs.answers["POST /v2/x/y/blobs/uploads/"] = 202, {"Location": f"http://{store.address}/up?state=1"}, b""
    theirs.answers["PUT /v2/x/y/manifests/v1"] = 201, {"Docker-Content-Digest": DIGEST}, b""
    store.answers["PUT /up"] = 201, {}, b""
    copies = RegistryCopies(Registry(address=ours.address))
    copies.copy(f"{ours.address}/x/y", DIGEST, _ana(theirs), tag="v1", line=lambda _line: None, stop=lambda: False)
    assert store.seen == [("PUT", "/up", None)]
    assert ("PUT", "/v2/x/y/manifests/v1", BASIC) in theirs.seen


def test_a_token_is_not_shown_elsewhere_either(host: Callable[[], Host]) -> None:
    ours, other = host(), host()
    ours.shut = f'Bearer realm="http://{ours.address}/token"'
    ours.answers["GET /token"] = 200, {}, b'{"token": "abc"}'
    ours.answers["GET /v2/x/y/blobs/1"] = 307, {"Location": f"http://{other.address}/layer"}, b""
    other.answers["GET /layer"] = 200, {}, b"layer"
    with RegistryHttp(_ana(ours)).stream("/v2/x/y/blobs/1", "x/y") as blob:
        assert blob.read() == b"layer"
    assert ours.seen[-1] == ("GET", "/v2/x/y/blobs/1", "Bearer abc")
    assert other.seen == [("GET", "/layer", None)]


def test_tokens_are_bought_at_another_host_only_where_nobody_can_listen(
    host: Callable[[], Host], tmp_path: Path
) -> None:
    ours, seller = host(), host()
    ours.answers["HEAD /v2/x/y/manifests/1"] = 200, {"Docker-Content-Digest": DIGEST}, b""
    seller.answers["GET /token"] = 200, {}, b'{"token": "abc"}'
    ours.shut = f'Bearer realm="http://localhost:{seller.server_port}/token"'
    with pytest.raises(RegistryForbidden, match="wants our password sent to localhost unencrypted"):
        HttpRegistry(_ana(ours)).digest("x/y", "1")
    assert seller.seen == []
    certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    seller.socket = context.wrap_socket(seller.socket, server_side=True)
    ours.shut = f'Bearer realm="https://{seller.address}/token"'
    with pytest.raises(Exception, match="does not answer"):
        HttpRegistry(_ana(ours)).digest("x/y", "1")
    assert seller.seen == [], "whose certificate nobody vouches for is shown nothing"
    trusting = Registry(address=ours.address, username="ana", password=PASSWORD, ca=f"{certificate}.crt")
    assert HttpRegistry(trusting).digest("x/y", "1") == DIGEST
    assert [shown for _, _, shown in seller.seen] == [BASIC]


@pytest.mark.parametrize("realm", ["http://registry.example/token", "http://auth.example/token", "ftp://x/token"])
def test_a_registry_over_https_has_no_tokens_sold_without_it(realm: str) -> None:
    registry = Registry(address="registry.example", username="ana", password=PASSWORD)
    http = RegistryHttp(registry)
    refusal = httpx.Response(
        401,
        headers={"WWW-Authenticate": f'Bearer realm="{realm}"'},
        request=httpx.Request("GET", "https://registry.example/v2/"),
    )
    with pytest.raises(RegistryForbidden, match="unencrypted"):
        http._buy(refusal, "x/y")
