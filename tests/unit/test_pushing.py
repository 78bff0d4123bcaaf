"""A push that fails: tried again, explained, called off."""

import threading
from types import SimpleNamespace
from typing import cast

import pytest

from pipeline.errors import Cancelled, Unavailable
from pipeline.registries import Registry, RegistryForbidden, address_of
from workers import pushing
from workers.context import Context

AWAY = Unavailable("the registry is away", code="registry_unavailable")


def context(*faults: Exception, refusal: Exception | None = None) -> Context:
    left = list(faults)

    def push(_reference: str, _line: object) -> str:
        if left:
            raise left.pop(0)
        return "sha256:made"

    def check_push(_repository: str) -> None:
        if refusal:
            raise refusal

    parts = {"engine": SimpleNamespace(push=push), "registry": SimpleNamespace(check_push=check_push)}
    return cast(Context, SimpleNamespace(stopping=threading.Event(), **parts))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "PAUSES", (0.0, 0.0, 0.0))


def test_F43_a_push_alone_is_tried_again_until_the_registry_is_back() -> None:
    lines: list[str] = []
    assert pushing.push(context(AWAY, AWAY, AWAY), "r/x:1", lines.append, lambda: False) == "sha256:made"
    assert len(lines) == 3 and "trying again" in lines[0]


def test_F43_a_registry_that_stays_away_is_ours_to_mend() -> None:
    with pytest.raises(Unavailable, match="the registry is away"):
        pushing.push(context(*[AWAY] * 4), "r/x:1", lambda _line: None, lambda: False)


def test_a_registry_that_does_not_let_us_in_is_not_asked_again() -> None:
    refusal = Registry(address="r").forbidden("x")
    with pytest.raises(RegistryForbidden):
        pushing.push(context(AWAY, refusal=refusal), "r/x:1", lambda _line: None, lambda: False)


def test_an_engine_that_is_away_is_not_the_registrys_fault() -> None:
    gone = Unavailable("the engine is away", code="engine_unavailable")
    with pytest.raises(Unavailable) as failed:
        pushing.push(context(gone), "r/x:1", lambda _line: None, lambda: False)
    assert failed.value is gone


def test_a_run_that_is_called_off_does_not_wait_for_a_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "PAUSES", (1000.0,))
    with pytest.raises(Cancelled):
        pushing.push(context(AWAY), "r/x:1", lambda _line: None, lambda: True)


@pytest.mark.parametrize(
    ("url", "host", "base", "repository"),
    [
        ("registry.example.com:5000", "registry.example.com:5000", "https://registry.example.com:5000", "shop/web"),
        ("https://ghcr.io/acme/", "ghcr.io", "https://ghcr.io", "acme/shop/web"),
        ("localhost:5100", "localhost:5100", "http://localhost:5100", "shop/web"),
        ("[::1]:5100", "[::1]:5100", "http://[::1]:5100", "shop/web"),
    ],
)
def test_a_registrys_address_says_where_its_api_and_its_repositories_are(
    url: str, *, host: str, base: str, repository: str
) -> None:
    registry = Registry(address=address_of(url))
    assert (registry.host, registry.base_url) == (host, base)
    assert registry.repository("shop/web") == registry.repository(f"{registry.address}/shop/web") == repository
    assert "secret" not in repr(Registry(address="r", username="ana", password="secret"))
