"""Stop what `up` started, and whatever of it was left behind."""

import signal

from runtime.stack import UP
from runtime.stack_pid import Mark, kill_all, marked, send, wait_gone

STOP_SECONDS = 20.0
LEFT_SECONDS = 2.0


def stop_stack(up: Mark | None, home_id: str) -> tuple[int, int]:
    """Stop a running system in order, then kill what is left of it; return how many processes ended each way."""
    running = set(marked(UP, home_id)) | ({up.pid} if up else set())
    if up and send(up.pid, signal.SIGTERM):
        wait_gone([up.pid], seconds=STOP_SECONDS)
        wait_gone(marked(UP, home_id), seconds=LEFT_SECONDS)
    left = set(marked(UP, home_id)) | ({up.pid} if up and up.alive else set())
    kill_all(left)
    wait_gone(left, seconds=LEFT_SECONDS)
    return len(running - left), len(left)
