"""Builds drawn as lines: BuildKit's trace and the classic builder's stream."""

import base64
from typing import Any

import pytest

from pipeline.errors import StageFailed, Unavailable
from pipeline.masking import MaskedLines
from runtime.buildkit import StatusResponse, Trace, step_name
from runtime.classic import Steps


def stamp(at: float) -> dict[str, int]:
    return {"seconds": int(at), "nanos": round(at % 1 * 1e9)}


def vertex(
    digest: str, name: str, began: float | None = None, ended: float | None = None, **more: Any
) -> dict[str, Any]:
    times = {key: stamp(at) for key, at in (("started", began), ("completed", ended)) if at is not None}
    return {"digest": digest, "name": name, **times, **more}


def log(digest: str, at: float, data: bytes, stream: int = 1) -> dict[str, Any]:
    return {"vertex": digest, "timestamp": stamp(at), "stream": stream, "msg": data}


def message(*vertexes: dict[str, Any], logs: tuple[dict[str, Any], ...] = ()) -> dict[str, str]:
    data = StatusResponse(vertexes=list(vertexes), logs=list(logs)).SerializeToString()
    return {"id": "moby.buildkit.trace", "aux": base64.b64encode(data).decode()}


def drawn(trace: Trace | Steps, *messages: dict[str, Any]) -> list[str]:
    return [line for one in messages for line in trace.read(one)]


def test_a_step_is_drawn_as_docker_draws_it() -> None:
    trace = Trace()
    assert drawn(
        trace,
        message(vertex("a", "[1/2] COPY x /x"), vertex("b", "[2/2] RUN make")),
        message(vertex("a", "[1/2] COPY x /x", 1, 1, cached=True)),
        message(vertex("b", "[2/2] RUN make", 2)),
        message(logs=(log("b", 2.25, b"com"), log("b", 2.5, b"piled\nnext"), log("b", 2.5, b"odd\n", 2))),
        message(vertex("b", "[2/2] RUN make", 2, 3.5), logs=(log("b", 3, b" line"),)),
        message(vertex("b", "[2/2] RUN make", 2, 3.5)),
    ) == [
        "#1 [1/2] COPY x /x",
        "#1 CACHED",
        "#2 [2/2] RUN make",
        "#2 0.500 compiled",
        "#2 0.500 odd",
        "#2 1.500 next line",
        "#2 DONE 1.5s",
    ]


def test_a_line_too_long_for_one_is_known_as_such_whatever_stands_before_it() -> None:
    trace = Trace()
    first, other, last = drawn(
        trace,
        message(vertex("a", "[1/1] RUN make", 1)),
        message(logs=(log("a", 1, b"x" * 16_385), log("a", 1, b"odd\n", 2))),
        message(logs=(log("a", 1, b"y\n"),)),
    )[1:]
    masked = MaskedLines()
    masked.mask.hide(["xxxxxy"])
    shown = [line for one in (first, other, last) for line in masked.feed(one)]
    assert [line[:8] for line in shown] == ["#1 0.000"] * 3
    assert (
        not any("xy" in line for line in shown) and shown[1].endswith("xx[masked]") and shown[2] == "#1 0.000 [masked]"
    )


def failed(*messages: dict[str, Any], detail: str) -> StageFailed | Unavailable:
    trace = Trace()
    drawn(trace, *messages)
    return trace.failure("Dockerfile", {"message": detail})


def test_the_step_that_failed_is_named_by_its_own_vertex_and_keeps_its_last_lines() -> None:
    error = "executor failed running [/bin/sh -c make]: exit code: 2"
    fault = failed(
        message(vertex("x", "[a 1/1] RUN sleep 9", 1, 3, error="context canceled")),
        message(vertex("b", "[2/2] RUN make", 2)),
        message(logs=tuple(log("b", 2, f"line {i}\n".encode()) for i in range(30))),
        message(vertex("b", "[2/2] RUN make", 2, 3, error=error)),
        detail=error,
    )
    assert isinstance(fault, StageFailed)
    assert fault.sentence == "Dockerfile: `RUN make` exited with 2"
    assert (len(fault.tail), fault.tail[-1]) == (20, "line 29")


def test_a_base_image_that_cannot_be_had_is_named() -> None:
    fault = failed(
        message(vertex("m", "[internal] load metadata for docker.io/library/x:1", 1, 2, error="no such host")),
        detail="failed to solve with frontend dockerfile.v0: failed to create LLB definition: no such host",
    )
    assert fault.sentence == "Dockerfile: the base image docker.io/library/x:1 cannot be had: no such host"


def test_a_command_the_engine_could_not_even_run_is_the_engines_fault() -> None:
    error = "executor failed running [/bin/sh -c make]: failed to create endpoint x on network bridge"
    fault = failed(message(vertex("b", "[2/2] RUN make", 1, 2, error=error)), detail=error)
    assert isinstance(fault, Unavailable)
    assert "could not run `RUN make`" in fault.sentence


def test_a_fault_before_any_step_keeps_the_engines_words() -> None:
    fault = failed(detail="failed to solve: failed to create LLB definition: dockerfile parse error line 2: x")
    assert fault.sentence == "Dockerfile: dockerfile parse error line 2: x"
    assert failed(detail="failed to read dockerfile: open /t/Dockerfile: no such file or directory").code == (
        "no_dockerfile"
    )


@pytest.mark.parametrize("aux", ["", "!", base64.b64encode(b"\xff\xff\xff").decode()])
def test_a_trace_that_cannot_be_read_is_passed_over(aux: str) -> None:
    assert drawn(Trace(), {"id": "moby.buildkit.trace", "aux": aux}, {"id": "other", "aux": {}}) == []


def test_a_long_step_is_quoted_short() -> None:
    assert step_name("RUN " + "x" * 200) == "`RUN " + "x" * 75 + "…`"
    assert step_name("RUN a\nb") == "`RUN a`"
    assert step_name(" ") == "`a step`"


def stream(*texts: str) -> list[dict[str, str]]:
    return [{"stream": text} for text in texts]


def test_the_classic_builders_stream_is_drawn_without_its_paint() -> None:
    steps = Steps()
    messages = stream("Step 1/2 : RUN make", "\n", " ---> Running in 1\n", "\x1b[91mbad\n\x1b[0m", "no end")
    assert drawn(steps, *messages, *stream("Removing intermediate container 1\n")) == [
        "Step 1/2 : RUN make",
        " ---> Running in 1",
        "bad",
        "no end",
        "Removing intermediate container 1",
    ]
    fault = steps.failure("Dockerfile", {"code": 2, "message": "returned a non-zero code: 2"})
    assert (fault.sentence, fault.tail) == ("Dockerfile: `RUN make` exited with 2", ("bad", "no end"))


def test_the_classic_builder_without_a_code_or_a_step_keeps_the_engines_words() -> None:
    steps = Steps()
    assert steps.failure("Dockerfile", {"message": "no"}).sentence == "Dockerfile: no"
    drawn(steps, *stream("Step 1/1 : COPY a b\n"))
    assert steps.failure("Dockerfile", {"message": "no a"}).sentence == "Dockerfile: `COPY a b` failed: no a"


def test_a_pull_of_the_classic_builder_shows_what_is_done() -> None:
    steps = Steps()
    progress = {"status": "Downloading", "progressDetail": {"current": 1}, "id": "a"}
    assert drawn(steps, progress, {"status": "Pull complete", "progressDetail": {}, "id": "a"}, {"status": "Done"}) == [
        "a: Pull complete",
        "Done",
    ]
