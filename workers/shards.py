"""All copies of a stage: some at once, all to their end; one that cannot go on calls the others off."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from workers.copies import Copy
from workers.stage import Scene
from workers.trial import Ended, Subject, run_copy


def run_all(scene: Scene, subject: Subject) -> tuple[Ended, ...]:
    """Return how each copy ended, one that failed among them; what is nobody's failure is raised."""
    shards = int(scene.work.spec.get("shards") or 1)
    if shards == 1:
        return (run_copy(Copy(scene=scene, stop=scene.ctx.stopping.is_set), subject),)
    off = threading.Event()

    def stop() -> bool:
        return off.is_set() or scene.ctx.stopping.is_set()

    def run(number: int) -> Ended:
        copy = Copy(scene=scene, number=number, of=shards, stop=stop)
        try:
            return run_copy(copy, subject)
        except BaseException:
            off.set()
            raise

    with ThreadPoolExecutor(min(shards, scene.ctx.tests.shards_at_once), "shard") as pool:
        running = [pool.submit(run, number) for number in range(1, shards + 1)]
    return _ends(running)


def _ends(done: list[Future[Ended]]) -> tuple[Ended, ...]:
    """Return how all ended, or raise why one could not."""
    for fault in (one.exception() for one in done):
        if fault is not None:
            raise fault
    return tuple(one.result() for one in done)
