"""The queue on a real Redis: it carries our ids and runs nothing else."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy import update

from pipeline.errors import Unavailable
from runtime.jobs import ENTRY, GuardedJob, Queues, connect
from store import jobs
from store.schema import JobRow
from tests import factories
from tests.parts import need
from workers.clock import Clock

ROOT = Path(__file__).resolve().parents[2]
WORKER = "import sys; from runtime.jobs import work; work(sys.argv[1], sys.argv[2], name='tested')"


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """Run a Redis of its own on a unix socket."""
    need("redis-server")
    path = tmp_path / "r.sock"
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", tmp_path],
        stdout=subprocess.DEVNULL,
    )
    wait_for(path.exists)
    yield f"unix://{path}"
    server.terminate()
    server.wait(10)


@pytest.fixture
def worker(redis_url: str, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker whose entry writes down the ids it is given."""
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "__init__.py").touch()
    entry = f"""
import os, time
from runtime.jobs import leaving
def execute(job_id):
    with open({str(tmp_path / "done")!r}, "a") as done:
        done.write(f"{{job_id}} {{os.getpid()}}\\n")
    if leaving.wait(job_id / 10):
        with open({str(tmp_path / "done")!r}, "a") as done:
            done.write("told to leave\\n")
"""
    (tmp_path / "workers" / "entry.py").write_text(entry)
    env = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen([sys.executable, "-c", WORKER, "stages", redis_url], env=env, cwd=tmp_path)
    yield process
    process.kill()
    process.wait(10)


def wait_for(true: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_an_id_that_is_sent_is_executed(redis_url: str, worker: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    Queues(redis_url).send([("stages", 1, 0)])
    wait_for(lambda: [line.split()[0] for line in lines(tmp_path / "done")] == ["1"])


def test_Q1_no_other_function_runs_whoever_wrote_it_into_redis(
    redis_url: str, worker: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    evil = Job.create(
        "os.system", args=(f"touch {tmp_path}/pwned",), connection=connect(redis_url), serializer=JSONSerializer
    )
    Queue("stages", connection=connect(redis_url), serializer=JSONSerializer).enqueue_job(evil)
    Queues(redis_url).send([("stages", 2, 0)])
    wait_for(lambda: len(lines(tmp_path / "done")) == 1)
    assert not (tmp_path / "pwned").exists()
    assert worker.poll() is None


def test_Q2_what_redis_holds_is_an_id_and_nothing_else(redis_url: str) -> None:
    Queues(redis_url).send([("stages", 7, 3)])
    job = GuardedJob.fetch("job-7-3", connection=connect(redis_url), serializer=JSONSerializer)
    assert (job.func_name, job.args, job.kwargs) == (ENTRY, [7], {})
    raw = Redis.from_url(redis_url).hgetall("rq:job:job-7-3")
    assert json.loads(job.serializer.loads(job.data) and json.dumps(job.serializer.loads(job.data))) == [
        ENTRY,
        None,
        [7],
        {},
    ]
    assert b"meta" not in raw or raw[b"meta"] in {b"", b"{}"}


def test_Q3_a_poisoned_entry_does_not_stop_the_others(
    redis_url: str, worker: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    raw = Redis.from_url(redis_url)
    wait_for(lambda: raw.scard("rq:workers"))
    raw.hset("rq:job:poison", mapping={"data": b"\xff\xfe", "created_at": "never", "timeout": "x"})
    raw.rpush("rq:queue:stages", "poison", "not-there")
    Queues(redis_url).send([("stages", 3, 0)])
    wait_for(lambda: len(lines(tmp_path / "done")) == 1)


def test_F2_the_child_dies_with_the_worker(redis_url: str, worker: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    Queues(redis_url).send([("stages", 300, 0)])
    wait_for(lambda: len(lines(tmp_path / "done")) == 1)
    child = int(lines(tmp_path / "done")[0].split()[1])
    worker.send_signal(signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes(), 2)


def test_F7_a_worker_told_to_stop_lets_its_child_end_and_nothing_follow(
    redis_url: str, worker: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    Queues(redis_url).send([("stages", 600, 0), ("stages", 1, 0)])
    wait_for(lambda: len(lines(tmp_path / "done")) == 1)
    worker.send_signal(signal.SIGTERM)
    worker.wait(30)
    assert [line.split()[0] for line in lines(tmp_path / "done")] == ["600", "told"]


def test_an_entry_sent_anew_outlives_the_end_of_the_one_before(
    redis_url: str, worker: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    """The job ends in SQL, is put back and sent again, all before the first child has ended."""
    database, queues = factories.database(tmp_path), Queues(redis_url)

    def begun() -> int:
        return sum(line.startswith("15 ") for line in lines(tmp_path / "done"))

    clock = Clock(database=database, queues=queues, bell=Bell())
    with database.begin() as session:
        jobs.add(session, jobs.JobKind.STAGE, 1, at=factories.NOW)
        session.execute(update(JobRow).values(id=15))
    clock.tick()
    wait_for(lambda: begun() == 1)
    with database.begin() as session:
        held = jobs.claim(session, 15, "the first child")
        assert held is not None
        jobs.put_back(session, held, delay=0, counts=False)
    clock.tick()
    wait_for(lambda: begun() == 2)
    database.dispose()


class Bell:
    """A bell that may do something each time the clock waits for it."""

    def __init__(self, *deeds: Callable[[], object]) -> None:
        self.deeds = list(deeds)

    def wait(self, timeout: float) -> bool:
        if self.deeds:
            self.deeds.pop(0)()
        return True


class Stumbling(Queues):
    """A queue that fails as nobody foresaw, until it is well again."""

    ill = True

    def send(self, items: Iterable[tuple[str, int, int]]) -> None:
        if self.ill:
            raise RuntimeError("nobody foresaw this")
        super().send(items)


def test_the_clock_survives_what_nobody_foresaw(redis_url: str, tmp_path: Path) -> None:
    database, queues = factories.database(tmp_path), Stumbling(redis_url)
    with database.begin() as session:
        jobs.add(session, jobs.JobKind.STAGE, 1, at=factories.NOW)
    bell = Bell(lambda: setattr(queues, "ill", False), lambda: signal.raise_signal(signal.SIGTERM))
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        Clock(database=database, queues=queues, bell=bell).run()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert b"job-1-0" in connect(redis_url).lrange("rq:queue:stages", 0, -1)
    database.dispose()


def test_a_queue_that_is_down_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="Redis"):
        Queues(f"unix://{tmp_path}/none.sock").send([("stages", 1, 0)])
