"""The heartbeat of a job: renews its lease, and ends this process the moment the job belongs to somebody else."""

import os
import signal
import threading
from types import TracebackType
from typing import NoReturn

import structlog
from sqlalchemy import select

from pipeline.errors import StaleFence, Unavailable
from store import jobs, stops
from store.schema import JobRow
from workers.context import Context

RENEW_SECONDS = 5.0
LOOK_SECONDS = 0.5

log = structlog.get_logger()


class Heartbeat:
    """Beats in a thread while a job is done."""

    def __init__(self, ctx: Context, claim: jobs.Claim) -> None:
        self._ctx = ctx
        self._claim = claim
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(timeout=RENEW_SECONDS)

    def _beat(self) -> None:
        waited = 0.0
        while not self._done.wait(LOOK_SECONDS):
            waited += LOOK_SECONDS
            try:
                if waited >= RENEW_SECONDS:
                    if not self._renewed():
                        return
                    waited = 0.0
                self._look()
            except Unavailable:
                log.warning("heartbeat_missed", job=self._claim.id)
            except Exception:
                # A heart that stops gives the job away while it is being done.
                log.exception("heartbeat_stumbled", job=self._claim.id)

    def _look(self) -> None:
        if self._claim.kind is not jobs.JobKind.STAGE or self._ctx.stopping.is_set():
            return
        with self._ctx.database.read() as session:
            if stops.asked(session, self._claim.ref_id):
                self._ctx.stopping.set()

    def _renewed(self) -> bool:
        """Renew the lease; False if this worker has just ended the job. Ends the process if another worker has it."""
        try:
            with self._ctx.database.begin() as session:
                jobs.renew(session, self._claim)
        except StaleFence:
            if self._taken_over():
                log.warning("job_taken_over", job=self._claim.id, fence=self._claim.fence)
                end_process()
            return False
        return True

    def _taken_over(self) -> bool:
        """Tell whether another worker has the job, rather than this one having just ended it."""
        with self._ctx.database.read() as session:
            return session.scalar(select(JobRow.fence).where(JobRow.id == self._claim.id)) != self._claim.fence


def end_process() -> NoReturn:
    """End this process and the children it started, at once: whatever they would still do is another's by now."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
