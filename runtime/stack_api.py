"""A short-lived client of the container engine for upkeep; whatever it refuses becomes our own error."""

from collections.abc import Iterator
from contextlib import contextmanager

import docker
from docker.errors import DockerException

from pipeline.errors import Unavailable
from runtime.stack_checks import engine_answers

SECONDS = 300
FIX = "Run bin/setup, or set DOCKER_HOST."


@contextmanager
def engine_client(url: str) -> Iterator[docker.APIClient]:
    """Open a client. Raises Unavailable if the engine does not answer or refuses what is asked of it inside."""
    # Asked first, as docker-py leaves a socket open when nobody is at the other end.
    if why := engine_answers(url):
        raise Unavailable(why, code="engine_unavailable", fix=FIX)
    try:
        client = docker.APIClient(base_url=url, version="auto", timeout=SECONDS)
        try:
            yield client
        finally:
            client.close()
    except DockerException as fault:
        raise Unavailable(f"the engine at {url} refuses: {fault}", code="engine_unavailable", fix=FIX) from fault
