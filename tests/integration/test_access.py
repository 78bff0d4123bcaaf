"""Who may read, by which name, from where."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from dashboard.access import Access
from dashboard.login import read_key
from pipeline.errors import Rejected
from tests import factories, serving

TOKEN = "a long random text"
PUBLIC = {"public_url": "https://ci.example.com", "token": TOKEN}


@pytest.fixture
def local(tmp_path: Path) -> FlaskClient:
    """Ask a server that listens on loopback and has no token."""
    return serving.app(tmp_path).test_client()


@pytest.fixture
def public(tmp_path: Path) -> FlaskClient:
    """Ask a server that has a public name and a token."""
    return serving.app(tmp_path, at=None, **PUBLIC).test_client()


def ask(
    client: FlaskClient, path: str = "/api/v1/runs", host: str = "127.0.0.1", method: str = "GET", **headers: str
) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.open(path, method=method, headers={"Host": host, **named})


@pytest.mark.parametrize(
    "host",
    ["localhost:8070", "127.0.0.1", "[::1]:8070", "slipway.localhost:8080", "SLIPWAY.slipway.test", "slipway.test."],
)
def test_this_machine_needs_no_token(local: FlaskClient, host: str) -> None:
    assert ask(local, host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "",
        "10.0.0.1",
        "localhost.evil.example",
        "[",
        "a b",
        "169.254.169.254",
        "web.ci.shop.slipway.localhost",
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/v1/runs", "/healthz", "/hooks/github/shop"])
def test_a_name_that_is_not_ours_gets_nothing(local: FlaskClient, host: str, path: str) -> None:
    answer = ask(local, path, host)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json" and answer.json["code"] == "unknown_host"


def test_W18_what_came_from_elsewhere_through_a_proxy_is_not_this_machine(tmp_path: Path) -> None:
    client = serving.app(tmp_path, token=TOKEN).test_client()
    assert ask(client).status_code == 200
    assert ask(client, X_Forwarded_For="127.0.0.1").status_code == 200
    assert ask(client, X_Forwarded_For="203.0.113.9").status_code == 401
    assert ask(client, X_Forwarded_For="203.0.113.9, 127.0.0.1").status_code == 401
    assert ask(client, X_Forwarded_For="nonsense").status_code == 401


def test_a_public_name_reaches_hooks_and_health_only_without_the_token(public: FlaskClient) -> None:
    for path in ("/", "/api/v1/runs", "/runs/r1", "/settings/chat", "/nothing"):
        answer = ask(public, path, "ci.example.com")
        assert answer.status_code == 401, path
        assert answer.json["code"] == "token_needed"
    assert ask(public, "/healthz", "ci.example.com").status_code == 200
    assert ask(public, "/readyz", "ci.example.com").status_code == 503
    assert ask(public, "/hooks/github/shop", "ci.example.com", "POST").status_code == 415
    assert ask(public, "/slack/commands", "ci.example.com", "POST").status_code == 415


def test_with_a_public_name_even_this_machine_needs_the_token(public: FlaskClient) -> None:
    # A proxy in front may hand on everybody's requests as if they were made here.
    assert ask(public).status_code == 401
    assert ask(public, Authorization=f"Bearer {TOKEN}").status_code == 200


def test_only_the_token_opens(public: FlaskClient) -> None:
    for wrong in ("Bearer", "Bearer ", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é"):
        assert ask(public, host="ci.example.com", Authorization=wrong).status_code == 401, wrong
    answer = ask(public, host="ci.example.com", Authorization=f"bearer  {TOKEN}")
    assert answer.status_code == 200


def test_a_public_name_without_a_token_opens_for_nobody(tmp_path: Path) -> None:
    client = serving.app(tmp_path, hosts=("ci.example.com",)).test_client()
    for given in ("Bearer ", "Bearer None", ""):
        assert ask(client, host="ci.example.com", Authorization=given).status_code == 401
    assert client.post("/login", data={"token": ""}, headers={"Host": "ci.example.com"}).status_code == 401
    assert ask(client, host="localhost").status_code == 200


def test_the_token_is_pasted_once_and_a_cookie_remembers_it(public: FlaskClient) -> None:
    browser = {"Host": "ci.example.com", "Accept": "text/html"}
    sent = public.get("/runs?state=failed", headers=browser)
    assert sent.status_code == 302 and sent.location == "/login?next=/runs?state%3Dfailed"
    assert public.post("/login", data={"token": "no", "next": "/"}, headers=browser).status_code == 401
    entered = public.post(
        "/login", data={"token": TOKEN, "next": "/environments"}, headers=browser, base_url="https://ci.example.com"
    )
    assert entered.status_code == 302 and entered.location == "/environments"
    cookie = entered.headers["Set-Cookie"]
    assert cookie.startswith("__Host-slipway=") and TOKEN not in cookie
    for word in ("HttpOnly", "SameSite=Lax", "Secure", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie
    assert public.get("/environments", base_url="https://ci.example.com").status_code == 200


def test_another_token_closes_the_old_sessions(tmp_path: Path) -> None:
    def cookie_of(token: str) -> str:
        client = serving.app(tmp_path, hosts=("ci.example.com",), token=token).test_client()
        return str(
            client.post("/login", data={"token": token}, headers={"Host": "ci.example.com"}).headers["Set-Cookie"]
        )

    cookie = cookie_of("the first one").partition(";")[0]
    for token, status in (("the first one", 200), ("the second one", 401)):
        client = serving.app(tmp_path, hosts=("ci.example.com",), token=token).test_client(use_cookies=False)
        assert ask(client, host="ci.example.com", Cookie=cookie).status_code == status
        assert ask(client, host="ci.example.com", Cookie=cookie[:-2]).status_code == 401


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/%0d%0aX: y\r\nX: y",
        "evil",
        "",
        "javascript:alert(1)",
        "/a\\b",
    ],
)
def test_the_login_page_leads_nowhere_else(public: FlaskClient, target: str) -> None:
    answer = public.post("/login", data={"token": TOKEN, "next": target}, headers={"Host": "ci.example.com"})
    assert answer.status_code == 302 and answer.location == "/"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_listening_for_everybody_without_a_token_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(Rejected, match="has no token"):
        serving.app(tmp_path, host=host)
    client = serving.app(tmp_path, host=host, token=TOKEN).test_client()
    assert ask(client, host="192.0.2.7:8070").status_code == 401
    assert ask(client, host="localhost").status_code == 401
    assert ask(client, host="evil.example").status_code == 400
    assert ask(client, host="192.0.2.7", Authorization=f"Bearer {TOKEN}").status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_cannot_make_a_browser_act(local: FlaskClient, site: str) -> None:
    # An application deployed here is "same-site" with the board, and still another site.
    for path in ("/api/v1/chat", "/login"):
        answer = local.post(path, json={"text": "status"}, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 400 and b"another site" in answer.data


def test_a_form_cannot_act_either(local: FlaskClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = local.post("/api/v1/chat", data='{"text": "status"}', content_type=kind)
        assert answer.status_code == 415, kind
    origin = {"Origin": "http://evil.example"}
    assert local.post("/api/v1/chat", json={"text": "status"}, headers=origin).status_code == 400
    assert (
        local.post("/api/v1/chat", json={"text": "status"}, headers={"Origin": "http://localhost"}).status_code == 200
    )


def test_no_other_site_may_read(local: FlaskClient) -> None:
    answer = ask(local, Origin="http://evil.example")
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_debugger_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    with pytest.raises(Rejected, match="debugger"):
        serving.app(tmp_path)


def test_the_key_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "home" / "web.key"
    assert read_key(path) == read_key(path) and len(read_key(path)) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["web.key"]
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="holds no key"):
        read_key(path)


def test_the_rules_that_let_anybody_in_are_found(tmp_path: Path) -> None:
    factories.database(tmp_path).engine.dispose()
    Access(bind="127.0.0.1", local_names=(), public_names=()).check()
    with pytest.raises(Rejected):
        Access(bind="web.internal", local_names=(), public_names=()).check()
