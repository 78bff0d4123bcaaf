"""Builds on the engine: BuildKit where it has it, the classic builder otherwise, by the same request."""

import json
from collections.abc import Callable
from typing import Any, BinaryIO

from docker.errors import APIError

from pipeline.containers import Limits
from pipeline.dockerfile import check_path
from pipeline.errors import StageFailed, Unavailable
from pipeline.images import ImageSpec
from pipeline.ports import Line
from pipeline.registries import Registry
from runtime.answers import Answer
from runtime.build_session import BuildSession, Knows
from runtime.buildkit import Trace
from runtime.classic import Steps
from runtime.watch import Watch
from runtime.wire import Wire, said

BUILDKIT, CLASSIC = "buildkit", "classic"
# A build argument by which newer engines fetch another builder, as a `# syntax=` line would.
FRONTEND_ARGUMENT = "BUILDKIT_SYNTAX"
CLIENT_ERRORS = range(400, 500)


class Builds:
    """Makes images; `builder` is auto, buildkit or classic."""

    def __init__(self, wire: Wire, builder: str = "auto", registry: Registry | None = None) -> None:
        self._wire = wire
        self._registry = registry
        self._builder = builder

    @property
    def builder(self) -> str:
        """What builds here use: as set, or what the engine has."""
        if self._builder != "auto":
            return self._builder
        return BUILDKIT if self._wire.greeting.buildkit else CLASSIC

    def build(self, spec: ImageSpec, context: BinaryIO, line: Line, limits: Limits, stop: Callable[[], bool]) -> str:
        """Build and tag an image from a tar stream and return its id; the engine stops if this is left early."""
        _check(spec, self.builder)
        picture = Trace() if self.builder == BUILDKIT else Steps()
        watch = Watch("the build", limits, line)
        try:
            if self.builder == BUILDKIT:
                return self._with_secrets(spec, context, picture, watch, stop)
            return _follow(Answer(self._wire, "/build", self._parameters(spec), context), picture, watch, spec, stop)
        except APIError as fault:
            raise _refused(fault, spec) from fault

    def _with_secrets(
        self, spec: ImageSpec, context: BinaryIO, picture: Trace | Steps, watch: Watch, stop: Callable[[], bool]
    ) -> str:
        """Let the engine ask for the build's secrets while it lasts; they are in no request of ours."""
        with BuildSession(self._wire, Knows(spec.secrets, self._registry if spec.trusted else None)) as session:
            answer = Answer(self._wire, "/build", self._parameters(spec) | {"session": session.id}, context)
            try:
                return _follow(answer, picture, watch, spec, stop)
            except Unavailable as fault:
                # The engine says of a step that lacks its secret no more than that it could not be run.
                if not session.missed:
                    raise
                sentence = (
                    f"{spec.dockerfile} mounts the secret {session.missed[0]}, which `build.secrets` does not name"
                )
                raise StageFailed(sentence, code="no_build_secret") from fault

    def _parameters(self, spec: ImageSpec) -> dict[str, str]:
        return {
            "version": "2" if self.builder == BUILDKIT else "1",
            "t": spec.reference,
            "dockerfile": spec.dockerfile,
            "labels": json.dumps(dict(spec.labels)),
            "buildargs": json.dumps({**spec.passing, **spec.args}),
            "rm": "1",
            "forcerm": "1",
        } | ({"target": spec.target} if spec.target else {})


def _follow(answer: Answer, picture: Trace | Steps, watch: Watch, spec: ImageSpec, stop: Callable[[], bool]) -> str:
    image = ""
    for message in answer.messages(watch, stop):
        for text in picture.read(message):
            watch.say(text)
        image = _image_id(message) or image
        if "error" in message:
            for text in picture.flush():
                watch.say(text)
            raise picture.failure(spec.dockerfile, message.get("errorDetail") or {"message": message["error"]})
    if not image:
        raise Unavailable("the container engine ended the build without an image", code="engine_error")
    return image


def _image_id(message: dict[str, Any]) -> str:
    aux = message.get("aux")
    return str(aux.get("ID", "")) if isinstance(aux, dict) else ""


def _check(spec: ImageSpec, builder: str) -> None:
    if problem := check_path(spec.dockerfile):
        raise StageFailed(problem, code="bad_dockerfile_path")
    if FRONTEND_ARGUMENT in spec.args:
        raise StageFailed(f"the build argument {FRONTEND_ARGUMENT} would run another builder", code="bad_build_args")
    if spec.secrets and builder != BUILDKIT:
        sentence = "secrets in builds need BuildKit, and the container engine here builds without it"
        raise StageFailed(sentence, code="no_build_secrets")


def _refused(fault: APIError, spec: ImageSpec) -> StageFailed | Unavailable:
    """Tell the project's faults from ours; for a missing Dockerfile the classic builder has no code but 500."""
    words = said(fault)
    if words.startswith("Cannot locate specified Dockerfile"):
        return StageFailed(f"there is no {spec.dockerfile} in the build's context", code="no_dockerfile")
    if fault.status_code in CLIENT_ERRORS:
        return StageFailed(f"{spec.dockerfile}: {words}", code="build_failed")
    return Unavailable(f"the container engine could not build: {words}", code="engine_error")
