"""How far a stage has come, and how long a run will still take, where people look."""

from datetime import timedelta
from pathlib import Path

import pytest

from notify.messages_run import run_message
from store import stage_work, usual
from store.links import Links
from store.schema import RunRow, StageRow
from store.session import Database
from store.stories import run_story
from store.views import run as view
from tests import factories as make
from tests import fakes
from workers.progress import Progress, steps

LINKS = Links(web="http://127.0.0.1:8070")


@pytest.fixture
def running(database: Database) -> int:
    """Return a run that runs; three before it passed."""
    with database.begin() as session:
        shop = make.project(session)
        for began in (400, 300, 200):
            make.run(session, shop, {"build": "passed", "unit": "passed"}, began=began)
        stages = {"build": "running", "unit": "queued"}
        return make.run(session, shop, stages, state="running", began=0.5).id


def test_a_stage_usually_takes_as_long_as_it_did(database: Database, running: int) -> None:
    with database.read() as session:
        assert usual.of_stages(session, session.get_one(RunRow, running).project_id) == {
            ("build", "build"): 1.0,
            ("unit", "test"): 1.0,
        }
        now, before = (view(session, LINKS, number) for number in (running, running - 1))
    assert now and [one["expected_seconds"] for one in now["stages"]] == [1.0, 1.0]
    assert before and [one["expected_seconds"] for one in before["stages"]] == [None, None]


def test_a_builds_step_is_told_while_it_runs(database: Database, running: int, tmp_path: Path) -> None:
    with database.read() as session:
        stage = session.query(StageRow).filter_by(run_id=running, name="build").one().id
        work = stage_work.work(session, stage)
    transcript = fakes.Transcripts()
    take = steps(transcript, Progress(fakes.context(database, tmp_path), work, transcript))
    for line in ("#5 [web 3/7] RUN make", "#5 DONE 0.1s", "#6 [web 4/7] RUN too soon after the last word"):
        take(line)

    def said() -> list[str]:
        with database.read() as session:
            found = view(session, LINKS, running)
        return [one["progress"] for one in found["stages"]] if found else []

    assert said() == ["step 3 of 7", ""]
    with database.begin() as session:
        session.get_one(StageRow, stage).state = "passed"
    assert said() == ["", ""]


def test_the_chat_message_says_how_long_it_will_take(database: Database, running: int) -> None:
    with database.begin() as session:
        for stage in session.query(StageRow).filter_by(name="unit", state="passed"):
            stage.finished_at = (stage.started_at or make.NOW) + timedelta(minutes=2)
    with database.read() as session:
        story = run_story(session, running, LINKS)
        over = run_story(session, running - 1, LINKS)
    assert story and "about 2 min left" in str(run_message(story, web_url="http://x", channel="#d"))
    assert over and over.left is None
