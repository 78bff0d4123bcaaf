"""BuildKit's trace: what the engine tells of a build's steps, drawn as docker's plain progress draws it.

The messages are those of moby/buildkit api/services/control/control.proto, as far as they are drawn.
"""

import base64
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError

from pipeline.errors import StageFailed, Unavailable
from pipeline.pieces import led
from runtime.lines import Lines
from runtime.watch import TAIL

TRACE = "moby.buildkit.trace"
STAMP = ".google.protobuf.Timestamp"
SHAPE: dict[str, dict[str, tuple[int, Any, bool]]] = {
    "StatusResponse": {"vertexes": (1, ".buildkit.Vertex", True), "logs": (3, ".buildkit.VertexLog", True)},
    "Vertex": {
        "digest": (1, Field.TYPE_STRING, False),
        "name": (3, Field.TYPE_STRING, False),
        "cached": (4, Field.TYPE_BOOL, False),
        "started": (5, STAMP, False),
        "completed": (6, STAMP, False),
        "error": (7, Field.TYPE_STRING, False),
    },
    "VertexLog": {
        "vertex": (1, Field.TYPE_STRING, False),
        "timestamp": (2, STAMP, False),
        "stream": (3, Field.TYPE_INT64, False),
        "msg": (4, Field.TYPE_BYTES, False),
    },
}
EXIT_CODE = re.compile(r"exit code: (\d+)$")
NUMBERED = re.compile(r"^\[[^\]]*\] ")
METADATA = "[internal] load metadata for "
# What the engine puts before the part that a person needs.
WRAPPINGS = (
    "failed to solve with frontend dockerfile.v0: ",
    "failed to solve: ",
    "failed to create LLB definition: ",
    "failed to compute cache key: ",
)
LONGEST_STEP = 80


def _response_class() -> Any:
    file = FileDescriptorProto(
        name="buildkit.proto", package="buildkit", syntax="proto3", dependency=["google/protobuf/timestamp.proto"]
    )
    for name, fields in SHAPE.items():
        message = file.message_type.add(name=name)
        for key, (number, kind, repeated) in fields.items():
            label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
            if isinstance(kind, str):
                message.field.add(name=key, number=number, label=label, type=Field.TYPE_MESSAGE, type_name=kind)
            else:
                message.field.add(name=key, number=number, label=label, type=kind)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("buildkit.StatusResponse"))


StatusResponse = _response_class()


@dataclass(kw_only=True, slots=True)
class Step:
    """One vertex of the build as far as it has come."""

    number: int
    name: str = ""
    started: float | None = None
    ended: bool = False
    error: str = ""
    lines: dict[int, Lines] = field(default_factory=dict)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))


class Trace:
    """A build by BuildKit: its messages in, lines out, and at the end why it failed."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}

    def read(self, message: dict[str, Any]) -> Iterator[str]:
        """Yield the lines that one message of the engine makes."""
        if message.get("id") != TRACE:
            return
        try:
            response = StatusResponse.FromString(base64.b64decode(message["aux"]))
        except (DecodeError, ValueError):
            return  # a picture of the build that cannot be read is no reason to end it
        # A step's end and its last words may come together: words first.
        for vertex in response.vertexes:
            yield from self._begin(vertex)
        for log in response.logs:
            yield from self._log(log)
        for vertex in response.vertexes:
            yield from self._end(vertex)

    def flush(self) -> Iterator[str]:
        """Yield the last line of a step that ended without a line end."""
        for step in self._steps.values():
            yield from self._rest(step, step.started or 0)

    def failure(self, dockerfile: str, detail: dict[str, Any]) -> StageFailed | Unavailable:
        """Return why the build failed: the step, how it ended, and the last lines of that step.

        A command that could not be run at all, which is the engine's fault, has no exit code.
        """
        message = str(detail.get("message", ""))
        failed = [step for step in self._steps.values() if step.error]
        # Steps that ran beside the one that failed were cut off, with errors of their own.
        step = next((one for one in failed if one.error in message), failed[0] if failed else None)
        if step is None:
            return _no_step(dockerfile, _unwrapped(message))
        code = EXIT_CODE.search(step.error)
        instruction = NUMBERED.sub("", step.name)
        name = step_name(instruction)
        if step.name.startswith(METADATA):
            sentence = f"the base image {step.name.removeprefix(METADATA)} cannot be had: {_unwrapped(message)}"
        elif code:
            sentence = f"{name} exited with {code[1]}"
        elif instruction.startswith("RUN "):
            return Unavailable(f"the container engine could not run {name}: {_unwrapped(message)}", code="engine_error")
        else:
            sentence = f"{name} failed: {_unwrapped(message)}"
        return StageFailed(f"{dockerfile}: {sentence}", code="build_failed", tail=tuple(step.tail))

    def _step(self, digest: str) -> Step:
        return self._steps.setdefault(digest, Step(number=len(self._steps) + 1))

    def _begin(self, vertex: Any) -> Iterator[str]:
        step = self._step(vertex.digest)
        step.name = vertex.name or step.name
        if step.started is None and vertex.HasField("started"):
            step.started = _seconds(vertex.started)
            yield f"#{step.number} {step.name}"

    def _log(self, log: Any) -> Iterator[str]:
        step, at = self._step(log.vertex), _seconds(log.timestamp)
        for line in step.lines.setdefault(log.stream, Lines()).feed(log.msg):
            yield _said(step, line, at)

    def _end(self, vertex: Any) -> Iterator[str]:
        step = self._step(vertex.digest)
        if step.ended or not vertex.HasField("completed"):
            return
        step.ended, step.error = True, vertex.error
        yield from self._rest(step, _seconds(vertex.completed))
        if vertex.error:
            yield f"#{step.number} ERROR: {vertex.error}"
        elif vertex.cached:
            yield f"#{step.number} CACHED"
        else:
            yield f"#{step.number} DONE {_seconds(vertex.completed) - (step.started or 0):.1f}s"

    def _rest(self, step: Step, at: float) -> Iterator[str]:
        for lines in step.lines.values():
            for line in lines.flush():
                yield _said(step, line, at)


def step_name(text: str) -> str:
    """Return a step of a Dockerfile as sentences quote it."""
    first = text.strip().splitlines()[0] if text.strip() else "a step"
    return f"`{first if len(first) <= LONGEST_STEP else first[: LONGEST_STEP - 1] + '…'}`"


def _said(step: Step, line: str, at: float) -> str:
    step.tail.append(line)
    return led(f"#{step.number} {max(0.0, at - (step.started or at)):.3f} ", line)


def _no_step(dockerfile: str, message: str) -> StageFailed:
    # The engine has no code for this one; nothing is decided by it but the words.
    if message.startswith("failed to read dockerfile: ") and message.endswith("no such file or directory"):
        return StageFailed(f"there is no {dockerfile} in the build's context", code="no_dockerfile")
    return StageFailed(f"{dockerfile}: {message}", code="build_failed")


def _unwrapped(message: str) -> str:
    for wrapping in WRAPPINGS:
        message = message.removeprefix(wrapping)
    return message


def _seconds(stamp: Any) -> float:
    return float(stamp.seconds) + float(stamp.nanos) / 1e9
