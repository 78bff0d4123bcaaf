"""Secrets and caches of builds, on the real engine."""

import io
import json
import tarfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import docker
import pytest

from pipeline.containers import Limits
from pipeline.errors import StageFailed
from runtime.engine import DockerEngine
from tests.engine_things import Context, Spec, never

BUSYBOX = 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
LIMITS = Limits(seconds=60, silence=30)


def test_D3_D4_a_secret_reaches_its_step_and_is_left_nowhere(
    engine: DockerEngine, context: Context, spec: Spec, host: str
) -> None:
    value = f"hunter2-{uuid.uuid4().hex}"
    wanted = spec(secrets={"TOKEN": value})
    mounted = "RUN --mount=type=secret,id=TOKEN,required test $(cat /run/secrets/TOKEN | wc -c) -eq"
    lines: list[str] = []
    engine.build(wanted, context(f"{BUSYBOX}{mounted} {len(value)}\n"), lines.append, LIMITS, never)
    assert value not in "\n".join(lines)
    with docker.APIClient(base_url=host, version="1.41") as client:
        api: Any = client
        assert value not in json.dumps([api.inspect_image(wanted.reference), api.history(wanted.reference)])
        exported = b"".join(api.get_image(wanted.reference))
    with tarfile.open(fileobj=io.BytesIO(exported)) as outer:
        files = [outer.extractfile(one) for one in outer if one.isfile()]
        assert len(files) >= 4
        assert not any(value.encode() in file.read() for file in files if file)


def test_a_secret_is_in_no_command_line_while_it_is_used(engine: DockerEngine, context: Context, spec: Spec) -> None:
    value = f"hunter3-{uuid.uuid4().hex}"
    begun, seen = threading.Event(), list[bytes]()

    def line(text: str) -> None:
        if "begun-now" in text and "RUN" not in text:
            seen.extend(_command(path) for path in Path("/proc").glob("[0-9]*"))
            begun.set()

    step = f"RUN --mount=type=secret,id=T cat /run/secrets/T >/dev/null; : {time.time_ns()}; echo begun-now; sleep 1\n"
    engine.build(spec(secrets={"T": value}), context(f"{BUSYBOX}{step}"), line, LIMITS, never)
    assert begun.is_set() and not any(value.encode() in one for one in seen)


def test_a_large_secret_arrives_whole(engine: DockerEngine, context: Context, spec: Spec) -> None:
    value = uuid.uuid4().hex * 12_000
    step = f"RUN --mount=type=secret,id=T test $(cat /run/secrets/T | wc -c) -eq {len(value)}\n"
    engine.build(spec(secrets={"T": value}), context(f"{BUSYBOX}{step}"), lambda _line: None, LIMITS, never)


@pytest.mark.parametrize("known", [{}, {"T": "x" * 9}])
def test_a_step_without_its_secret_is_the_projects_fault_and_named(
    engine: DockerEngine, context: Context, spec: Spec, known: dict[str, str]
) -> None:
    step = "RUN --mount=type=secret,id=OTHER,required cat /run/secrets/OTHER\n"
    with pytest.raises(StageFailed, match=r"mounts the secret OTHER, which `build.secrets` does not name"):
        engine.build(spec(secrets=known), context(f"{BUSYBOX}{step}"), lambda _line: None, LIMITS, never)


def test_a_secret_that_need_not_be_there_may_be_missing(engine: DockerEngine, context: Context, spec: Spec) -> None:
    step = "RUN --mount=type=secret,id=OTHER test ! -s /run/secrets/OTHER\n"
    engine.build(spec(), context(f"{BUSYBOX}{step}"), lambda _line: None, LIMITS, never)


def test_the_classic_builder_has_no_secrets_and_says_so(home: str, context: Context, spec: Spec, host: str) -> None:
    classic = DockerEngine(host, home, "10.214.0.0/16", "classic")
    with pytest.raises(StageFailed) as failed:
        classic.build(spec(secrets={"T": "x" * 9}), context(BUSYBOX), lambda _line: None, LIMITS, never)
    assert failed.value.code == "no_build_secrets"


def test_a_cache_mount_survives_from_build_to_build(engine: DockerEngine, context: Context, spec: Spec) -> None:
    cache = f"t{uuid.uuid4().hex}"
    step = (
        f"RUN --mount=type=cache,id={cache},target=/cache echo one >>/cache/n; : STEP; echo lines=$(wc -l </cache/n)\n"
    )
    heard: list[str] = []
    for number in ("first", "second"):
        file = context(BUSYBOX + step.replace("STEP", number))
        engine.build(spec(), file, heard.append, LIMITS, never)
    assert [line.rsplit("lines=", 1)[1] for line in heard if " lines=" in line and "echo" not in line] == ["1", "2"]


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    except OSError:
        return b""
