"""The container engine is killed in the middle of everything: nobody's fault, and the run ends once."""

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine_of_own import OwnEngine
from tests.killing import made_once, nothing_is_left_over
from tests.parts import need
from tests.system import System, service_files, until

SLOW = {
    "Dockerfile": "FROM slipway/base-busybox:local\nRUN sleep 4\nCOPY . /www\nEXPOSE 8080\n"
    'CMD ["sh", "-c", "sleep 2; exec httpd -f -p 8080 -h /www"]\n',
    "test.sh": "sleep 4; echo fine\n",
}
STATE = "select state from stage where name = :name and run_id = (select id from run where revision = :revision)"
REASON = "select reason from stage where name = :name and run_id = (select id from run where revision = :revision)"
RUN = "select state || ': ' || reason from run where revision = :revision"


@pytest.fixture
def engine() -> Iterator[OwnEngine]:
    """Start an engine that nobody else uses."""
    need("dockerd", "nsenter", "unshare", "ip", "redis-server", "haproxy", "dnsmasq", "docker-registry", "git")
    made = OwnEngine(folder=Path("/run") / f"slipway-t{uuid.uuid4().hex[:8]}")
    try:
        made.open()
        yield made
    finally:
        made.close()


@pytest.fixture
def alone(engine: OwnEngine) -> Iterator[System]:
    """Start a whole Slipway beside that engine, in its network."""
    with tempfile.TemporaryDirectory(prefix="slipway-engine-") as folder:
        system = System(home=Path(folder) / "home", work=Path(folder) / "work", inside=engine.inside)
        system.settings |= {"SLIPWAY_DOCKER__HOST": engine.socket, "DOCKER_HOST": engine.socket}
        system.up()
        try:
            yield system
        finally:
            system.down()


def test_F35_an_engine_killed_in_every_stage_costs_time_and_nothing_else(alone: System, engine: OwnEngine) -> None:
    repository = alone.repository("dies", service_files("one") | SLOW)
    revision = repository.commit()
    repository.push_quietly()
    for name in ("build", "unit", "staging"):
        wait_for(alone, STATE, "running", name=name, revision=revision)
        engine.kill()
        wait_for(alone, REASON, "not your code", name=name, revision=revision)
        engine.start()
    wait_for(alone, RUN, "passed", revision=revision)
    made_once(alone, revision)
    nothing_is_left_over(alone, seconds=120)


def wait_for(alone: System, query: str, words: str, **values: str) -> None:
    """Wait until the database says these words."""

    def said() -> str:
        return str(alone.value(query, **values))

    until(lambda: words in said(), 180, lambda: f"{values}: {said()}, not {words}; {alone.value(RUN, **values)}")
