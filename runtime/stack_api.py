"""A short-lived client of the container engine for upkeep; whatever it refuses becomes our own error."""

from collections.abc import Iterator
from contextlib import contextmanager

import docker
from docker.errors import DockerException

from pipeline.errors import Unavailable

SECONDS = 300


@contextmanager
def engine_client(url: str) -> Iterator[docker.APIClient]:
    """Open a client. Raises Unavailable if the engine does not answer or refuses what is asked of it inside."""
    try:
        client = docker.APIClient(base_url=url, version="auto", timeout=SECONDS)
        try:
            yield client
        finally:
            client.close()
    except DockerException as fault:
        sentence = f"the engine at {url} does not answer or refuses: {fault}"
        raise Unavailable(sentence, code="engine_unavailable", fix="Run bin/setup, or set DOCKER_HOST.") from fault
