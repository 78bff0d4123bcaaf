"""A container run to its end: every line it writes, how it ended, and nothing of it left."""

import logging
import shlex
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from docker.errors import NotFound
from requests.exceptions import ConnectionError as BrokenConnection
from requests.exceptions import ReadTimeout
from urllib3.exceptions import ReadTimeoutError

from pipeline.containers import ContainerSpec, Limits
from pipeline.errors import Cancelled, SlipwayError, StageFailed, Unavailable
from pipeline.ports import Line
from runtime.containers import Containers
from runtime.lines import Output
from runtime.stopping import Ear, Grace, Ladder
from runtime.watch import TICK, Watch
from runtime.wire import Wire

CHUNK = 64 * 1024
ATTEMPTS = 3
LONGEST_COMMAND = 60
# What docker's init says, alone and with these codes, when there is nothing it could run.
NOT_RUN, INIT_SAYS = (126, 127), "[FATAL tini ("

Stop = Callable[[], bool]
log = logging.getLogger(__name__)


class OneShots:
    """Runs containers to their end."""

    def __init__(self, wire: Wire, containers: Containers, grace: Grace) -> None:
        self._wire = wire
        self._ladder = Ladder(wire, grace)
        self._containers = containers

    def run(self, spec: ContainerSpec, line: Line, limits: Limits, stop: Stop, ended: Callable[[], None]) -> int:
        """Run a container, stream its output, return its exit code; it is removed whatever happens.

        `ended` is called before that, once it has stopped; how it ended counts for more than how that went.
        """
        watch = Watch(said_command(spec), limits, line)
        with self.created(spec) as container:
            try:
                code = self.follow(container, spec, watch, stop)
            except (StageFailed, Cancelled):
                with suppress(SlipwayError):
                    ended()
                raise
            ended()
            return code

    def follow(self, container: str, spec: ContainerSpec, watch: Watch, stop: Stop) -> int:
        """Start a created container, stream its output to its end, return its exit code."""
        code = self._heard(container, spec, watch, stop)
        if code != 0:
            self._explain(container, spec, code, watch)
        return code

    @contextmanager
    def created(self, spec: ContainerSpec) -> Iterator[str]:
        """Create a container, in place of one that was left of that name; it is removed whatever happens."""
        container = self._create(spec)
        try:
            yield container
        finally:
            try:
                self._containers.destroy(container)
            except Unavailable as fault:
                # How the run ended is known and counts; what is left over is swept up by its label.
                log.warning("left %s behind: %s", spec.name, fault.sentence)

    def _create(self, spec: ContainerSpec) -> str:
        for _attempt in range(ATTEMPTS):
            container = self._containers.create(spec)
            if container:
                return container
            self._containers.remove(spec.name, grace=0)
        raise Unavailable(f"somebody else keeps taking the name {spec.name}", code="busy")

    def _heard(self, container: str, spec: ContainerSpec, watch: Watch, stop: Stop) -> int:
        """Start the container, pass on all it writes, and return its exit code: who listens first misses no word.

        One that is called off, or takes too long, is stopped in an orderly way, and what it still says is passed on.
        """
        output = Output()
        with self._attached(container) as wire:
            if not self._containers.begin(container, spec):
                raise Unavailable(f"{spec.name} was removed while it started", code="busy")
            try:
                self._listen(wire, output, watch, stop)
                code = self._wait(container, watch, stop)
            except (Cancelled, StageFailed) as end:
                self._ladder.climb(container, Ear(wire=wire, output=output, say=watch.say))
                _flush(output, watch)
                if isinstance(end, StageFailed):
                    end.tail = watch.tail
                raise
        return code

    def _listen(self, wire: socket.socket, output: Output, watch: Watch, stop: Stop) -> None:
        while chunk := self._chunk(wire, watch, stop):
            watch.heard()
            for line in output.feed(chunk):
                watch.say(line)
        _flush(output, watch)

    @contextmanager
    def _attached(self, container: str) -> Iterator[socket.socket]:
        with self._wire.doing("listen to a container"):
            stream = self._wire.api.attach_socket(container, {"stdout": 1, "stderr": 1, "stream": 1})
        wire: socket.socket = getattr(stream, "_sock", stream)
        wire.settimeout(TICK)
        try:
            yield wire
        finally:
            stream._response.close()
            stream.close()

    def _chunk(self, wire: socket.socket, watch: Watch, stop: Stop) -> bytes:
        while True:
            watch.check(stop)
            try:
                return wire.recv(CHUNK)
            except TimeoutError:
                continue
            except OSError as fault:
                raise self._wire.gone(fault) from fault

    def _wait(self, container: str, watch: Watch, stop: Stop) -> int:
        """Return the exit code; a container may go on after it has closed its output."""
        while True:
            with self._wire.doing("wait for a container"):
                try:
                    answer = self._wire.api.wait(container, timeout=TICK, condition="not-running")  # type: ignore[arg-type]
                    return int(answer["StatusCode"])
                except NotFound as fault:
                    raise Unavailable("the container was removed while it ran", code="busy") from fault
                except (ReadTimeout, BrokenConnection) as fault:
                    if not _only_slow(fault):
                        raise
            watch.check(stop)

    def _explain(self, container: str, spec: ContainerSpec, code: int, watch: Watch) -> None:
        """Raise StageFailed where the exit code alone would mislead."""
        found = self._containers.inspect(container)
        if found and found["State"]["OOMKilled"]:
            limit = f"{spec.memory / 1024**2:.0f} MiB"
            sentence = f"{said_command(spec)} needed more memory than its limit of {limit} and was killed"
            raise StageFailed(sentence, code="out_of_memory", tail=watch.tail)
        if code in NOT_RUN and len(watch.tail) == 1 and watch.tail[0].startswith(INIT_SAYS):
            why = "is not in the image" if code == NOT_RUN[1] else "cannot be executed"
            raise StageFailed(f"{said_command(spec)} {why}", code="cannot_start", tail=watch.tail)


def said_command(spec: ContainerSpec) -> str:
    """Return a command as sentences quote it: a shell's script rather than the shell."""
    return quoted(spec.command) if spec.command else "the image's own command"


def quoted(command: Sequence[str]) -> str:
    """Return a command as `said_command` does."""
    shell = tuple(command[:2]) in {("sh", "-c"), ("/bin/sh", "-c")} and len(command) > 2
    said = " ".join((command[2] if shell else shlex.join(command)).split())
    return f"`{said if len(said) <= LONGEST_COMMAND else said[: LONGEST_COMMAND - 1] + '…'}`"


def _flush(output: Output, watch: Watch) -> None:
    for line in output.flush():
        watch.say(line)


def _only_slow(fault: Exception) -> bool:
    return isinstance(fault, ReadTimeout) or any(isinstance(part, ReadTimeoutError) for part in fault.args)
