"""Several services at a time: each line says whose it is, the first that fails stops the others."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pipeline.errors import Cancelled, SlipwayError, StageFailed
from pipeline.pieces import led
from workers.progress import steps
from workers.stage import Scene

Say = Callable[[str], None]
Stop = Callable[[], bool]
Work = Callable[[str, Say, Stop], str]


def side_by_side(scene: Scene, names: Iterable[str], work: Work, *, at_once: int) -> dict[str, str]:
    """Do the work of each name, and return what each came to, in this order.

    Raises StageFailed that names all that failed, or what another raised.
    """
    wanted = list(names)
    if len(wanted) < 2:  # nothing to tell apart
        return {name: work(name, steps(scene.transcript, scene.progress), scene.ctx.stopping.is_set) for name in wanted}
    over, faults = threading.Event(), dict[str, SlipwayError]()

    def one(name: str) -> str:
        if over.is_set() or scene.ctx.stopping.is_set():
            return ""
        try:
            return work(name, partial(_say, scene, name), lambda: over.is_set() or scene.ctx.stopping.is_set())
        except Cancelled:
            return ""
        except SlipwayError as fault:
            faults[name] = fault
            over.set()
            return ""
        except BaseException:
            over.set()
            raise

    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="service") as pool:
        done = dict(zip(wanted, pool.map(one, wanted), strict=True))
    if faults:
        raise _fault({name: faults[name] for name in wanted if name in faults})
    if scene.ctx.stopping.is_set():
        raise Cancelled("the build was stopped because the run was cancelled")
    return done


def _say(scene: Scene, name: str, line: str) -> None:
    scene.transcript.write(led(f"{name} │ ", line))


def _fault(faults: dict[str, SlipwayError]) -> SlipwayError:
    """Return what ends the stage: the project's fault before ours, for that one would come again."""
    failed = {name: fault for name, fault in faults.items() if isinstance(fault, StageFailed)}
    if not failed:
        return next(iter(faults.values()))
    first = next(iter(failed.values()))
    sentence = "; ".join(_named(name, fault.sentence) for name, fault in failed.items())
    return StageFailed(sentence, code=first.code, fix=first.fix, tail=first.tail)


def _named(name: str, sentence: str) -> str:
    return sentence if sentence.startswith(f"{name}: ") else f"{name}: {sentence}"
