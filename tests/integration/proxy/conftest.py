"""A proxy for each test."""

from collections.abc import Iterator

import pytest

from tests.parts import need
from tests.proxy_world import World


@pytest.fixture
def idle() -> Iterator[World]:
    """A home in which HAProxy has not been started yet."""
    need("haproxy")
    world = World()
    yield world
    world.close()


@pytest.fixture
def world(idle: World) -> World:
    """A running HAProxy without routes."""
    idle.start()
    return idle
