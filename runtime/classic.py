"""The classic builder's stream: what the engine tells of a build's steps, a line at a time."""

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from pipeline.errors import StageFailed
from runtime.buildkit import step_name
from runtime.lines import Lines
from runtime.watch import TAIL

STEP = re.compile(r"Step \d+/\d+ : (.*)")
# The builder's own lines, which begin a message even where the command's last line has no end.
OWN = ("Step ", " ---> ", "Removing intermediate container ")
# The builder paints what a command writes to stderr.
PAINT = re.compile(r"\x1b\[(?:91|0)m")


class Steps:
    """A build by the classic builder: its messages in, lines out, and at the end why it failed."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._step = ""
        self._tail: deque[str] = deque(maxlen=TAIL)

    def read(self, message: dict[str, Any]) -> Iterator[str]:
        """Yield the lines that one message of the engine makes."""
        if "stream" in message:
            text = str(message["stream"])
            if text.startswith(OWN):
                yield from self.flush()
            for line in self._lines.feed(PAINT.sub("", text).encode()):
                yield self._noted(line)
        elif "status" in message and not message.get("progressDetail"):
            yield pulled(message)

    def flush(self) -> Iterator[str]:
        """Yield what is left once nothing more will come."""
        for line in self._lines.flush():
            yield self._noted(line)

    def failure(self, dockerfile: str, detail: dict[str, Any]) -> StageFailed:
        """Return why the build failed: the step, how it ended, and the last lines of that step."""
        message, code = str(detail.get("message", "")), detail.get("code")
        if not self._step:
            sentence = message
        elif code:
            sentence = f"{step_name(self._step)} exited with {code}"
        else:
            sentence = f"{step_name(self._step)} failed: {message}"
        return StageFailed(f"{dockerfile}: {sentence}", code="build_failed", tail=tuple(self._tail))

    def _noted(self, line: str) -> str:
        if match := STEP.fullmatch(line):
            self._step = match[1]
            self._tail.clear()
        elif not line.startswith(OWN):
            self._tail.append(line)
        return line


def pulled(message: dict[str, Any]) -> str:
    """Return one message about a layer as a line."""
    return f"{message['id']}: {message['status']}" if message.get("id") else str(message["status"])
