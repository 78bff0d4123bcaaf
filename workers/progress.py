"""How far a stage has come, in a few words, for whoever watches; told at most once a second."""

import re
import time
from collections.abc import Callable

from pipeline.ports import Transcript
from store import messages, runs
from store.stage_work import StageWork
from workers.context import Context

PAUSE = 1.0
# Messages are rewritten for it less often: people read them, and a chat limits how often that may be.
MESSAGE_PAUSE = 5.0
STEP = re.compile(r"#[0-9]+ \[(?:[\w.-]+ +)?(?P<step>[0-9]+)/(?P<of>[0-9]+)\]|Step (?P<old>[0-9]+)/(?P<all>[0-9]+) : ")
LONGEST = 80


class Progress:
    """Notes on a stage what it is at, as its transcript would show it."""

    def __init__(self, ctx: Context, work: StageWork, transcript: Transcript) -> None:
        self._ctx = ctx
        self._work = work
        self._transcript = transcript
        self._said = ""
        self._next = 0.0
        self._next_message = 0.0

    def __call__(self, text: str) -> None:
        """Note how far the stage has come; what comes too soon after the last word is left out."""
        now, said = time.monotonic(), self._transcript.masked(text, LONGEST)
        if said == self._said or now < self._next:
            return
        self._said, self._next = said, now + PAUSE
        with self._ctx.database.begin() as session:
            runs.say_progress(session, self._work.stage.id, said)
            if now >= self._next_message:
                self._next_message = now + max(MESSAGE_PAUSE, self._ctx.chat.pause)
                messages.touch(session, "run", self._work.run_id, channel=self._ctx.channel, at=self._ctx.now())


def steps(transcript: Transcript, progress: Callable[[str], None]) -> Callable[[str], None]:
    """Return what takes a build's lines: each is written down, and the step that one begins is told."""

    def take(line: str) -> None:
        transcript.write(line)
        found = STEP.match(line)
        if found:
            progress(f"step {found['step'] or found['old']} of {found['of'] or found['all']}")

    return take
