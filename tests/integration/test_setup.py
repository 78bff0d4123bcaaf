"""bin/setup's engine. Each runs in a network of its own: a second engine in the first one's would take its bridge."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.settings import ROOT, Settings
from runtime.stack_checks import engine_answers
from runtime.stack_engine import OwnEngine, exec_root, own_engine, stop_engine
from runtime.stack_home import empty_home
from tests.parts import need

ALL_THERE = 0
SOMETHING_MISSING = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A home with an engine's socket of its own."""

    home: Path
    socket: Path

    @property
    def env(self) -> dict[str, str]:
        """What bin/setup and slipway are told of it."""
        known = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
        return known | {"SLIPWAY_HOME": str(self.home), "SLIPWAY_SETUP_SOCKET": str(self.socket)}

    @property
    def engine(self) -> OwnEngine:
        """The engine that runs for this home."""
        engine = own_engine(self.home)
        assert engine is not None
        return engine

    def setup(self, *, own_network: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run bin/setup."""
        argv = [*(["unshare", "--net"] if own_network else []), str(ROOT / "bin" / "setup")]
        return subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    need("docker", "dockerd", "unshare")
    if os.geteuid() != 0:
        pytest.skip("only root may start an engine")
    home = tmp_path / "home"
    place = Place(home=home, socket=Path("/run") / f"slipway-test-{os.getpid()}.sock")
    yield place
    if engine := own_engine(home):
        stop_engine(engine)
    empty_home(home)
    shutil.rmtree(exec_root(Settings(home=home).home_id), ignore_errors=True)
    place.socket.unlink(missing_ok=True)


def test_an_engine_is_started_once_and_down_all_leaves_nothing_of_it(place: Place) -> None:
    first = place.setup()
    assert first.returncode == ALL_THERE, first.stderr
    assert "starting one" in first.stdout
    pid = place.engine.pid
    began = time.monotonic()
    again = place.setup()
    assert (again.returncode, again.stdout) == (ALL_THERE, "")
    assert time.monotonic() - began < 2
    assert place.engine.pid == pid

    env = place.env | {"DOCKER_HOST": f"unix://{place.socket}"}
    argv = [str(ROOT / "slipway"), "down", "--all"]
    down = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert down.returncode == 0, down.stderr
    assert "stopped the engine" in down.stdout
    assert not place.home.exists()
    assert not exec_root(Settings(home=place.home).home_id).exists()
    assert str(place.home) not in Path("/proc/mounts").read_text()


def test_an_engine_that_was_killed_is_started_again_though_its_number_was_taken(place: Place) -> None:
    assert place.setup().returncode == ALL_THERE
    os.kill(place.engine.pid, signal.SIGKILL)
    (place.home / "engine" / "dockerd.pid").write_text(str(os.getpid()))
    again = place.setup()
    assert again.returncode == ALL_THERE, again.stderr
    assert engine_answers(f"unix://{place.socket}") is None
    assert place.engine.pid != os.getpid()


def test_no_second_engine_is_started_in_the_network_of_another(place: Place) -> None:
    refused = place.setup(own_network=False)
    assert refused.returncode == SOMETHING_MISSING
    assert "set DOCKER_HOST" in refused.stdout
    assert own_engine(place.home) is None
    assert Path("/sys/class/net/docker0").exists()


def test_an_engine_that_cannot_start_is_told_with_its_last_lines(place: Place) -> None:
    argv = ["unshare", "--net", str(ROOT / "bin" / "setup")]
    env = place.env | {"SLIPWAY_SETUP_DOCKERD_ARGS": "--nonsense"}
    failed = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert failed.returncode == 1
    assert "unknown flag: --nonsense" in failed.stderr
