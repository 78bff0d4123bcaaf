"""What is said on a run of a stage that waits, goes on, or ends: nothing of a secret is in it."""

from functools import partial
from pathlib import Path

import pytest

from pipeline.errors import SlipwayError, StageFailed, Unavailable
from pipeline.pieces import led
from pipeline.stage import Kind
from runtime.lines import Lines
from store.jobs import JobKind
from store.schema import StageRow
from store.session import Database
from tests import fakes
from tests.stage_world import StageWorld
from workers import stage as stages
from workers import steps
from workers.handlers import HANDLERS
from workers.stage import Done, Scene

SECRET = "s3cr3t-value"
LONG = [*Lines().feed(f"{'x' * 16_380}{SECRET}\n".encode())]


@pytest.fixture
def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageWorld:
    def work(scene: Scene) -> Done:
        scene.transcript.hide([SECRET])
        scene.progress(f"{'x' * 75}{SECRET}")
        for line in (led("web │ ", LONG[0]), "api │ a line", led("web │ ", LONG[1])):
            scene.transcript.write(line)
        raise faults[scene.work.spec["fault"]]()

    handler = steps.Handler(
        do=partial(stages.carry, kinds={Kind.TASK: work}), give_up=stages.give_up, retry=stages.retry, attempts=2
    )
    monkeypatch.setitem(HANDLERS, JobKind.STAGE, handler)
    return StageWorld(database, tmp_path, engine=fakes.Engine(), home="masked")


def _failed() -> SlipwayError:
    return StageFailed(f"it says {SECRET}", code="task_failed", tail=(LONG[0], "between", LONG[1]))


faults = {"ours": lambda: Unavailable(f"the registry says {SECRET}", code="registry_unavailable"), "theirs": _failed}


def _said(row: StageRow) -> str:
    return "\n".join((row.reason or "", row.progress or "", *(row.tail or ())))


def test_why_a_stage_waits_and_how_it_ends_say_no_secret(world: StageWorld) -> None:
    number = world.stage({"fault": "ours"})
    waits = world.do(number)
    assert waits.state == "queued" and "the registry says [masked]. This is not your code." in (waits.reason or "")
    over = world.do(number)
    assert over.state == "error" and over.reason == "the registry says [masked]"
    for row in (waits, over):
        assert not any(part in _said(row) for part in (SECRET[:4], SECRET[-4:]))


def test_a_failures_sentence_its_last_lines_and_its_progress_say_no_secret(world: StageWorld) -> None:
    row = world.run({"fault": "theirs"})
    assert (row.state, row.reason, row.progress) == ("failed", "it says [masked]", f"{'x' * 75}[mask")
    assert len(row.tail or ()) == 3
    for text in (_said(row), "\n".join(world.transcript(row))):
        assert not any(part in text for part in (SECRET[:4], SECRET[-4:]))
