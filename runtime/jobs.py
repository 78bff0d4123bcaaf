"""The queue: the only place that knows RQ. It carries ids, and may lose or repeat them at any time."""

import ctypes
import os
import signal
import threading
import zlib
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from pipeline.errors import Unavailable

ENTRY = "workers.entry.execute"
NO_LIMIT = -1
PR_SET_PDEATHSIG = 1
LAST_CALL = signal.SIGUSR2

# Set in a forked child once its worker was told to stop: what it is at is brought to its end, and nothing after it.
leaving = threading.Event()
log = structlog.get_logger()


class GuardedJob(Job):
    """A job that runs our one entry and nothing else, whoever wrote it into Redis."""

    @property
    def func_name(self) -> str:
        """The function this job names. Raises ValueError unless it is ours."""
        name = str(super().func_name)
        if name != ENTRY:
            raise ValueError(f"refused to run {name!r}: only {ENTRY} may run here")
        return name

    @func_name.setter
    def func_name(self, value: str) -> None:
        self._func_name = value

    def refresh(self) -> None:
        """Read this job from Redis. An entry that cannot be read is removed and counts as none: it must stop nobody."""
        try:
            super().refresh()  # type: ignore[no-untyped-call]
        except NoSuchJobError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, zlib.error) as fault:
            log.warning("poisoned_entry_removed", entry=self.id, fault=type(fault).__name__)
            self.connection.delete(self.key)
            raise NoSuchJobError(f"no job could be read at {self.key!r}") from fault


class Queues:
    """Where ids are sent to."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url)

    def send(self, items: Iterable[tuple[str, int, int]]) -> None:
        """Send (queue, job id, fence) triples. Raises Unavailable.

        An entry's name is never used again once the job was claimed: RQ, ending one, deletes by name.
        """
        try:
            for queue, job_id, fence in items:
                _queue(queue, self._redis).enqueue_call(
                    ENTRY,
                    args=(job_id,),
                    job_id=f"job-{job_id}-{fence}",
                    timeout=NO_LIMIT,
                    result_ttl=0,
                    failure_ttl=60,
                )
        except RedisError as fault:
            raise Unavailable("the queue (Redis) does not answer", code="queue_unavailable") from fault


class StageWorker(Worker):
    """A worker of one queue, whose forked child never outlives it."""

    def setup_work_horse_signals(self) -> None:
        """Have the kernel kill the child when its parent dies: nobody would renew its RQ entry or reap it.

        Ctrl-C is caught rather than ignored, as RQ would have it: what is ignored is inherited, and git must hear it.
        """
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGINT, lambda _signal, _frame: None)
        signal.signal(LAST_CALL, lambda _signal, _frame: leaving.set())
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop once the child has ended what it is at; tell it that nothing is to follow."""
        if self.horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, LAST_CALL)
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]


def work(queue: str, redis_url: str, *, name: str) -> None:
    """Work off one queue until told to stop. One queue a process: on several, RQ loses what it popped when killed."""
    connection = connect(redis_url)
    worker = StageWorker(
        [_queue(queue, connection)],
        connection=connection,
        name=name,
        job_class=GuardedJob,
        serializer=JSONSerializer,
        log_job_description=False,
    )
    worker.work(with_scheduler=False, logging_level="WARNING")


def connect(redis_url: str) -> Redis:
    """Return a client that reconnects by itself."""
    return Redis.from_url(redis_url, health_check_interval=15)


def _queue(name: str, connection: Redis) -> Queue:
    return Queue(name, connection=connection, job_class=GuardedJob, serializer=JSONSerializer)
