"""Which real parts this machine has: a missing one skips loudly here and fails where all are required."""

import os
import shutil
import socket

import pytest


def need(*parts: str) -> None:
    """Skip the test unless every named part is here; fail it where SLIPWAY_REQUIRE=all."""
    missing = [part for part in parts if not _have(part)]
    if not missing:
        return
    sentence = f"this machine lacks {', '.join(missing)}: run bin/setup"
    if os.environ.get("SLIPWAY_REQUIRE") == "all":
        pytest.fail(sentence)
    pytest.skip(sentence)


def _have(part: str) -> bool:
    if part == "docker":
        return _engine_answers()
    return shutil.which(part, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def _engine_answers() -> bool:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        return probe.connect_ex(host.removeprefix("unix://")) == 0
