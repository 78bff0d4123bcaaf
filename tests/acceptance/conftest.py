"""A whole Slipway on this machine, in a home of its own, driven as a person drives it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import need
from tests.system import System


@pytest.fixture(scope="session")
def slipway() -> Iterator[System]:
    """Start everything; take everything down and see that nothing is left."""
    need("docker", "redis-server", "haproxy", "dnsmasq", "docker-registry", "git")
    with tempfile.TemporaryDirectory(prefix="slipway-acceptance-") as folder:
        system = System(home=Path(folder) / "home", work=Path(folder) / "work")
        system.settings["SLIPWAY_SOURCE__SWEEP"] = "20"
        system.up()
        try:
            yield system
        finally:
            system.down()
