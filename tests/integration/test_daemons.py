"""Redis and the registry as `slipway process` starts them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import ROOT, Settings
from runtime.stack_checks import Check, ask_redis, http_answers, redis_answers, redis_is_safe, socket_is_served
from runtime.stack_ports import Wanted, resolve
from tests.parts import need


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "h"


@pytest.fixture
def started() -> Iterator[list["subprocess.Popen[bytes]"]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)


def start(name: str, home: Path, started: list["subprocess.Popen[bytes]"], **env: str) -> "subprocess.Popen[bytes]":
    """Become a part in a home, as the Procfile does."""
    argv = [sys.executable, str(ROOT / "cli.py"), "process", name]
    started.append(subprocess.Popen(argv, env={**os.environ, "SLIPWAY_HOME": str(home), **env}))
    return started[-1]


def wait(look: Check) -> None:
    """Wait until a part answers."""
    deadline = time.monotonic() + 15
    while why := look():
        if time.monotonic() > deadline:
            pytest.fail(why)
        time.sleep(0.02)


def redis_url(home: Path) -> str:
    """Return where the home's Redis listens: a pytest folder's path is sometimes too long for a socket."""
    return Settings(home=home, redis_url="").redis_url


def test_redis_listens_on_its_socket_only_and_forgets_nothing(
    home: Path, started: list["subprocess.Popen[bytes]"]
) -> None:
    need("redis-server")
    start("redis", home, started)
    url = redis_url(home)
    wait(lambda: redis_answers(url))
    assert redis_is_safe(url) is None
    assert ask_redis(url, "CONFIG GET port") == "0"
    assert ask_redis(url, "CONFIG GET appendonly") == "yes"
    assert Path(url.removeprefix("unix://")).parent.stat().st_mode & 0o777 == 0o700


def test_what_redis_was_given_is_there_after_it_was_killed(
    home: Path, started: list["subprocess.Popen[bytes]"]
) -> None:
    need("redis-server")
    first = start("redis", home, started)
    url = redis_url(home)
    wait(lambda: redis_answers(url))
    assert ask_redis(url, "SET here still") == "OK"
    time.sleep(1.1)
    first.kill()
    first.wait(timeout=5)
    start("redis", home, started)
    wait(lambda: redis_answers(url))
    assert ask_redis(url, "GET here") == "still"


def test_a_redis_that_would_forget_is_told_apart(home: Path, started: list["subprocess.Popen[bytes]"]) -> None:
    need("redis-server")
    start("redis", home, started)
    url = redis_url(home)
    wait(lambda: redis_answers(url))
    ask_redis(url, "CONFIG SET maxmemory-policy allkeys-lru")
    assert "allkeys-lru" in (redis_is_safe(url) or "")


def test_the_registry_answers_on_loopback(home: Path, started: list["subprocess.Popen[bytes]"]) -> None:
    need("docker-registry")
    port = resolve([Wanted(section="registry", field="port", host="127.0.0.1", port=0)])["registry"]["port"]
    start("registry", home, started, SLIPWAY_REGISTRY__PORT=str(port))
    wait(lambda: http_answers("127.0.0.1", port, "/v2/", status=200))


def test_a_part_that_does_not_exist_is_not_found() -> None:
    argv = [sys.executable, str(ROOT / "cli.py"), "process", "nonsense"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 4
    assert "the parts are redis, registry" in done.stderr


def test_a_silent_place_is_told_in_a_sentence(tmp_path: Path) -> None:
    assert "does not answer" in (redis_answers(f"unix://{tmp_path}/none.sock") or "")
    assert "nobody listens" in (socket_is_served(tmp_path / "none.sock") or "")
    assert "nothing answers" in (http_answers("127.0.0.1", 1) or "")
