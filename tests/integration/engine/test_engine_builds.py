"""Builds on the real engine, by both builders."""

import io
import re
import subprocess
import time
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from pipeline.containers import Limits
from pipeline.errors import Cancelled, StageFailed, Unavailable
from runtime.engine import DockerEngine
from tests.engine_things import Context, Spec, never

BUSYBOX = 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
LIMITS = Limits(seconds=60, silence=30)


def test_builds_an_image_with_its_labels_port_and_tag(
    either: DockerEngine, context: Context, spec: Spec, home: str
) -> None:
    wanted = spec(target="")
    lines: list[str] = []
    made = either.build(wanted, context(f"{BUSYBOX}EXPOSE 9000 8080 53/udp\n"), lines.append, LIMITS, never)
    facts = either.image(wanted.reference)
    assert facts is not None
    assert (facts.id, facts.port) == (made, 8080)
    assert facts.size > 1_000_000
    assert any("COPY busybox" in line for line in lines)


def test_an_unchanged_build_comes_from_the_cache(engine: DockerEngine, context: Context, spec: Spec) -> None:
    engine.build(spec(), context(BUSYBOX), lambda _line: None, LIMITS, never)
    lines: list[str] = []
    began = time.monotonic()
    engine.build(spec(), context(BUSYBOX), lines.append, LIMITS, never)
    assert sum(line.endswith(" CACHED") for line in lines) >= 2
    assert time.monotonic() - began < 2


def test_the_step_that_fails_is_named_with_its_last_words(either: DockerEngine, context: Context, spec: Spec) -> None:
    dockerfile = f"{BUSYBOX}RUN for i in $(seq 30); do echo line $i; done; printf end; exit 3\n"
    with pytest.raises(StageFailed, match=r"Dockerfile: `RUN for i .*` exited with 3") as failed:
        either.build(spec(), context(dockerfile), lambda _line: None, LIMITS, never)
    assert len(failed.value.tail) == 20
    assert failed.value.tail[-2:] == ("line 30", "end")


def test_output_comes_while_the_step_runs(either: DockerEngine, context: Context, spec: Spec) -> None:
    heard: list[tuple[float, str]] = []
    dockerfile = f"{BUSYBOX}RUN : {time.time_ns()}; printf fi; sleep 0.1; echo rst; sleep 1; echo second\n"
    either.build(spec(), context(dockerfile), lambda line: heard.append((time.monotonic(), line)), LIMITS, never)
    first, second = (
        next(at for at, line in heard if re.fullmatch(rf"(#\d+ [\d.]+ )?{word}", line)) for word in ("first", "second")
    )
    assert second - first > 0.8


@pytest.mark.parametrize(
    ("dockerfile", "sentence"),
    [
        ("FROM scratch\nCOPY nosuch /x\n", "`COPY nosuch /x` failed"),
        ("FROM scratch\nRUNX\n", "unknown instruction: RUNX"),
        ("FROM localhost:1/nosuch:x\n", "localhost:1/nosuch:x"),
        ("", "empty"),
    ],
)
def test_a_dockerfile_that_cannot_be_built_fails_with_a_sentence(
    either: DockerEngine, context: Context, spec: Spec, dockerfile: str, sentence: str
) -> None:
    with pytest.raises(StageFailed) as failed:
        either.build(spec(), context(dockerfile), lambda _line: None, LIMITS, never)
    assert sentence in failed.value.sentence


def test_a_dockerfile_that_is_not_there_is_said_to_be_missing(
    either: DockerEngine, context: Context, spec: Spec
) -> None:
    with pytest.raises(StageFailed, match=r"there is no Other.file in the build's context") as failed:
        either.build(spec(dockerfile="Other.file"), context(BUSYBOX), lambda _line: None, LIMITS, never)
    assert failed.value.code == "no_dockerfile"


@pytest.mark.parametrize("path", ["../Dockerfile", "/etc/passwd", "a/../../b", ""])
def test_a_dockerfile_outside_the_context_is_refused(
    engine: DockerEngine, context: Context, spec: Spec, path: str
) -> None:
    with pytest.raises(StageFailed) as failed:
        engine.build(spec(dockerfile=path), context(BUSYBOX), lambda _line: None, LIMITS, never)
    assert failed.value.code == "bad_dockerfile_path"


def test_a_build_argument_cannot_bring_another_builder(engine: DockerEngine, context: Context, spec: Spec) -> None:
    with pytest.raises(StageFailed) as failed:
        engine.build(spec(args={"BUILDKIT_SYNTAX": "x/y"}), context(BUSYBOX), lambda _line: None, LIMITS, never)
    assert failed.value.code == "bad_build_args"


@pytest.mark.parametrize(
    ("limits", "code", "sentence"),
    [
        (Limits(seconds=1.2, silence=30), "timeout", "the build took longer than 1.2 s and was stopped"),
        (Limits(seconds=30, silence=1), "silent", "the build said nothing for 1 s and was stopped"),
    ],
)
def test_a_build_over_its_limit_is_really_stopped(
    either: DockerEngine, context: Context, spec: Spec, limits: Limits, *, code: str, sentence: str
) -> None:
    mark = f"86{time.time_ns() % 10**7}"
    with pytest.raises(StageFailed) as failed:
        either.build(spec(), context(f"{BUSYBOX}RUN sleep {mark}\n"), lambda _line: None, limits, never)
    assert (failed.value.code, failed.value.sentence) == (code, sentence)
    assert failed.value.tail
    assert gone_within(mark, 5)


def test_a_build_that_is_called_off_is_really_stopped(either: DockerEngine, context: Context, spec: Spec) -> None:
    mark = f"87{time.time_ns() % 10**7}"
    lines: list[str] = []

    def stop() -> bool:
        return any("begun" in line and "RUN" not in line for line in lines)

    with pytest.raises(Cancelled):
        either.build(spec(), context(f"{BUSYBOX}RUN echo begun; sleep {mark}\n"), lines.append, LIMITS, stop)
    assert gone_within(mark, 30)


def test_a_line_that_cannot_be_kept_stops_the_build_and_is_no_fault_of_the_engine(
    engine: DockerEngine, context: Context, spec: Spec
) -> None:
    def full(_line: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        engine.build(spec(), context(BUSYBOX), full, LIMITS, never)


def test_a_context_that_breaks_off_is_raised_as_it_is(engine: DockerEngine, spec: Spec) -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise StageFailed("the archive ended early")

    with pytest.raises(StageFailed, match="the archive ended early"):
        engine.build(spec(), Broken(), lambda _line: None, LIMITS, never)


def test_a_context_that_never_comes_does_not_hold_the_build_for_ever(engine: DockerEngine, spec: Spec) -> None:
    class Stuck(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            time.sleep(2)
            return b"\0" * 512

    began = time.monotonic()
    with pytest.raises(StageFailed) as failed:
        engine.build(spec(), Stuck(), lambda _line: None, Limits(seconds=0.5, silence=30), never)
    assert failed.value.code == "timeout"
    assert time.monotonic() - began < 2


def test_builds_what_git_archives(engine: DockerEngine, context: Context, spec: Spec, tmp_path: Path) -> None:
    for name, data in (("Dockerfile", b"FROM scratch\nCOPY a /a\n"), ("a", b"a")):
        (tmp_path / name).write_bytes(data)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    with subprocess.Popen([*git, "archive", "HEAD"], stdout=subprocess.PIPE) as archive:
        assert archive.stdout is not None
        assert engine.build(spec(), cast(BinaryIO, archive.stdout), lambda _line: None, LIMITS, never).startswith(
            "sha256:"
        )


def test_the_probe_finds_buildkit_and_a_setting_overrules_it(engine: DockerEngine, home: str) -> None:
    assert engine.builder() == "buildkit"
    assert DockerEngine("unix:///nonexistent", home, "10.0.0.0/16", "classic").builder() == "classic"


@pytest.mark.usefixtures("refusing")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_is_down_is_unavailable(home: str, context: Context, spec: Spec) -> None:
    down = DockerEngine("unix:///nonexistent.sock", home, "10.0.0.0/16")
    with pytest.raises(Unavailable) as failed:
        down.build(spec(), context(BUSYBOX), lambda _line: None, LIMITS, never)
    assert failed.value.code == "engine_unavailable"


def gone_within(mark: str, seconds: float) -> bool:
    """Tell whether no process of this machine has `mark` in its command line within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(mark.encode() in _command(path) for path in Path("/proc").glob("[0-9]*")):
            return True
        time.sleep(0.05)
    return False


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
