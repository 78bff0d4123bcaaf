"""What the configuration wants of a push: real git, and the source stage that decides. Nothing is built."""

import itertools
import json
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.outcome import Outcome, State, passed
from pipeline.push import HEADS, TAGS, Push
from runtime.source import GitSource
from store import jobs, projects, retention, runs
from store.built import overtaken_in_tags
from store.schema import ProjectRow, RunRow, ScheduleRow, StageRow
from tests import factories
from tests.conftest import MOMENT
from tests.rollout_world import World

# A branch that deploys nowhere has passed once it is built.
WENT_ON = {"running", "passed"}
DOCS = """trigger: {push: {branches: [main, "next/*"], paths_ignore: ["docs/**", "**/*.md"]}, tag: {patterns: ["v*"]}}
services: {web: {}}
"""


DEPLOYS = """services: {web: {}}
environments: {staging: {branches: ["*"]}}
"""


class Hearing(World):
    """A world that is told of pushes."""

    numbers = itertools.count()

    def commit_files(self, *paths: str, parent: str | None = None, ref: str = f"{HEADS}main", **said: str) -> str:
        """Commit slipway.yml and what is in the repository, with new words in these paths."""
        files = json.loads(self.repository.git("config", "--default", "{}", "tests.files"))
        files |= {"Dockerfile": "FROM scratch", "slipway.yml": said.get("yml", DOCS)}
        files |= {path: f"{next(self.numbers)}" for path in paths}
        self.repository.git("config", "tests.files", json.dumps(files))
        content = {path: text.encode() for path, text in files.items()}
        return self.repository.commit(content, parent=parent, ref=ref, message=said.get("message", "A commit"))

    def hear(self, revision: str, *, ref: str = f"{HEADS}main", trigger: str = "push", built: bool = True) -> RunRow:
        """Make the run of a push, do its source stage, and end its build well unless the run ended before."""
        run = self.made(revision, ref=ref, trigger=trigger)
        self.start(run)
        if self.run(run).state == "running" and built:
            self.end(run, passed())
        return self.run(run)

    def made(self, revision: str, *, ref: str = f"{HEADS}main", trigger: str = "push") -> int:
        """Make a run and leave it waiting."""
        with self.database.begin() as session:
            project = projects.get(session, self.project.id)
            push = Push(ref=ref, before="0" * 40, after=revision)
            again = str(next(self.numbers))
            return runs.create(session, project, push, trigger=trigger, at=MOMENT, asked=runs.Asked(again=again))[0]

    def start(self, run: int) -> None:
        """Do a run's source stage."""
        self.go(jobs.JobKind.STAGE, self._stage(run, "source"))

    def end(self, run: int, outcome: Outcome) -> None:
        with self.database.begin() as session:
            runs.end(session, self._stage(run, "build"), outcome, at=MOMENT)

    def run(self, run: int) -> RunRow:
        with self.database.read() as session:
            return session.get_one(RunRow, run)

    def rules(self) -> object:
        with self.database.read() as session:
            return session.get_one(ProjectRow, self.project.id).rules

    def _stage(self, run: int, name: str) -> int:
        with self.database.read() as session:
            return session.scalars(select(StageRow.id).where(StageRow.run_id == run, StageRow.name == name)).one()


@pytest.fixture
def world(tmp_path: Path) -> Hearing:
    return Hearing(factories.database(tmp_path), tmp_path)


def test_a_push_that_changed_only_what_is_ignored_is_skipped_and_says_so(world: Hearing) -> None:
    first = world.commit_files("app.py")
    assert world.hear(first).state == "running"
    run = world.hear(world.commit_files("docs/a", parent=first))
    assert (run.state, run.code) == ("skipped", "ignored_path")
    assert run.reason == "nothing to do: only docs/** changed"
    assert run.message == "A commit" and run.finished_at


def test_a_push_is_compared_with_what_was_last_built_and_not_with_the_push_before(world: Hearing) -> None:
    first = world.commit_files("app.py")
    world.hear(first)
    code = world.commit_files("app.py", parent=first)
    stopped = world.hear(code, built=False)
    world.end(stopped.id, Outcome(state=State.SUPERSEDED))
    docs = world.commit_files("docs/a", parent=code)
    assert world.hear(docs).state == "running", "nothing of app.py's change was ever built"
    assert world.hear(world.commit_files("docs/b", parent=docs)).code == "ignored_path"


TWO = """trigger: {push: {paths_ignore: ["docs/**"]}}
services: {web: {build: {dockerfile: Dockerfile}}, api: {build: {dockerfile: Dockerfile}}}
stages:
  build-web: {build: [web]}
  test-web: {test: {in: web, run: "true"}}
  build-api: {build: [api], needs: [test-web]}
"""


def test_a_build_that_was_not_started_because_another_stage_failed_counts_as_not_built(world: Hearing) -> None:
    first = world.commit_files("api/x", yml=TWO)
    run = world.made(first)
    world.start(run)
    for name, outcome in (("build-web", passed()), ("test-web", Outcome(state=State.FAILED, sentence="exit 1"))):
        with world.database.begin() as session:
            runs.end(session, world._stage(run, name), outcome, at=MOMENT)
    assert world.run(run).state == "failed"
    docs = world.made(world.commit_files("docs/y", parent=first, yml=TWO))
    world.start(docs)
    assert world.run(docs).state == "running", "nothing of api was ever built"


def test_a_build_that_was_planned_to_be_skipped_leaves_the_rest_built(world: Hearing) -> None:
    yml = TWO.replace(
        "build-api: {build: [api], needs: [test-web]}", "build-api: {build: [api], when: {branches: [x]}}"
    )
    first = world.commit_files("app.py", yml=yml)
    run = world.made(first)
    world.start(run)
    for name in ("build-web", "test-web"):
        with world.database.begin() as session:
            runs.end(session, world._stage(run, name), passed(), at=MOMENT)
    docs = world.made(world.commit_files("docs/y", parent=first, yml=yml))
    world.start(docs)
    assert world.run(docs).code == "ignored_path"


@pytest.mark.parametrize("state", [State.CANCELLED, State.ERROR, State.SUPERSEDED])
def test_a_run_that_was_cut_short_after_its_build_counts_for_nothing(world: Hearing, state: State) -> None:
    first = world.commit_files("app.py")
    world.hear(first)
    code = world.commit_files("app.py", parent=first)
    run = world.hear(code)
    with world.database.begin() as session:
        session.get_one(RunRow, run.id).state = state
    assert world.hear(world.commit_files("docs/a", parent=code)).state == "running"


def test_a_run_that_is_being_stopped_counts_for_nothing(world: Hearing) -> None:
    code = world.commit_files("app.py")
    run = world.hear(code)
    with world.database.begin() as session:
        runs.request_cancel(session, run.id, "by @bo")
    assert world.hear(world.commit_files("docs/a", parent=code)).state == "running"


def test_a_run_a_person_asked_for_is_never_skipped_and_is_no_measure(world: Hearing) -> None:
    first = world.commit_files("app.py")
    world.hear(first)
    docs = world.commit_files("docs/a", parent=first, message="Words [skip ci]")
    for trigger in ("chat", "api"):
        assert world.hear(docs, trigger=trigger).state == "running"
    code = world.commit_files("app.py", parent=docs)
    world.hear(code)
    world.hear(code, trigger="chat")
    assert world.hear(world.commit_files("README.md", parent=code)).code == "ignored_path"


def test_a_new_branch_is_compared_with_what_it_began_from(world: Hearing) -> None:
    first = world.commit_files("app.py")
    world.hear(first)
    ahead = world.commit_files("app.py", parent=first)
    world.hear(ahead)
    side = f"{HEADS}next/side"
    docs = world.commit_files("docs/a", parent=first, ref=side)
    assert world.hear(docs, ref=side).state in WENT_ON, "app.py is not what it was when the branch began"
    other = f"{HEADS}next/other"
    assert world.hear(world.commit_files("docs/b", parent=ahead, ref=other), ref=other).code == "ignored_path"
    alone = f"{HEADS}next/alone"
    assert world.hear(world.commit_files("docs/c", ref=alone), ref=alone).state in WENT_ON


def test_nothing_was_built_yet_so_everything_runs(world: Hearing) -> None:
    assert world.hear(world.commit_files("docs/a")).state == "running"


def test_an_unknown_difference_runs(world: Hearing, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.commit_files("app.py")
    world.hear(first)
    monkeypatch.setattr(GitSource, "changed", lambda *_: None)
    assert world.hear(world.commit_files("docs/a", parent=first)).state == "running"


def test_an_empty_commit_runs(world: Hearing) -> None:
    first = world.commit_files("app.py")
    world.hear(first)
    assert world.hear(world.commit_files(parent=first, message="Once more")).state == "running"


def test_a_commit_that_asks_for_no_run_gets_none_whoever_told_of_it(world: Hearing) -> None:
    run = world.hear(world.commit_files("app.py", message="Typo\n\n[skip ci]"), trigger="sweep")
    assert (run.state, run.code) == ("skipped", "skip_requested")
    assert run.reason == "nothing to do: the commit's message asks for no run"


def test_a_branch_or_tag_the_commit_itself_does_not_name_is_skipped(world: Hearing) -> None:
    aside = f"{HEADS}other"
    run = world.hear(world.commit_files("app.py", ref=aside), ref=aside)
    assert (run.state, run.code) == ("skipped", "ignored_branch")
    assert run.reason == "nothing to do: runs start only for branches main or next/*"
    for tag, states in (("v1", WENT_ON), ("nightly", {"skipped"})):
        ref = f"{TAGS}{tag}"
        assert world.hear(world.commit_files("docs/a", ref=ref), ref=ref).state in states


def test_the_default_branch_leaves_its_rules_with_the_project_even_if_it_is_skipped(world: Hearing) -> None:
    first = world.commit_files("app.py")
    world.hear(first)
    assert world.rules() == {
        "push": {"branches": ["main", "next/*"], "paths_ignore": ["docs/**", "**/*.md"]},
        "tag": {"patterns": ["v*"]},
        "schedule": [],
        "skip": True,
        "supersede": "queued",
    }
    none = "trigger: {push: {branches: []}}\nservices: {web: {}}\n"
    assert world.hear(world.commit_files("app.py", parent=first, yml=none)).code == "ignored_branch"
    rules = {"push": {"branches": []}, "tag": {}, "schedule": [], "skip": True, "supersede": "queued"}
    assert world.rules() == rules


def test_G20_a_branch_makes_no_rules_but_for_itself(world: Hearing) -> None:
    first = world.commit_files("app.py")
    world.hear(first)
    before = world.rules()
    side = f"{HEADS}next/side"
    yml = DOCS.replace("main, ", "") + 'environments: {staging: {branches: ["**"], order: any}}\n'
    run = world.hear(world.commit_files("app.py", parent=first, ref=side, yml=yml), ref=side, built=False)
    assert world.rules() == before
    assert run.config is not None and run.config["environments"]["staging"]["order"] == "ancestry"
    with world.database.read() as session:
        stages = {one.name: one for one in session.scalars(select(StageRow).where(StageRow.run_id == run.id))}
    assert stages["staging"].reason == "deploys only from main"


def test_an_old_commit_that_is_run_again_brings_no_old_rules_back(world: Hearing) -> None:
    old = world.commit_files("app.py", yml="services: {web: {}}\n")
    world.hear(old)
    new = world.commit_files("app.py", parent=old)
    world.hear(new)
    rules = world.rules()
    world.hear(old, trigger="chat")
    assert world.rules() == rules


def test_a_slow_older_push_brings_no_old_rules_back_and_a_persons_run_stops_nobodys(world: Hearing) -> None:
    old = world.commit_files("app.py", yml="services: {web: {}}\n")
    slow, by_hand = world.made(old), world.made(old, trigger="chat")
    world.start(by_hand)
    world.start(slow)
    assert world.rules() == {"push": {}, "tag": {}, "schedule": [], "skip": True, "supersede": "queued"}
    late = world.made(old)
    world.hear(world.commit_files("app.py", parent=old))
    with world.database.begin() as session:
        session.get_one(ProjectRow, world.project.id).rules = {"supersede": "never"}
    world.start(late)
    assert world.run(late).state == "running" and world.rules() == {"supersede": "never"}


def test_moving_tags_are_those_of_the_newest_run_that_has_images(world: Hearing) -> None:
    first = world.commit_files("app.py")
    one = world.made(first)
    second = world.commit_files("app.py", parent=first)
    two = world.made(second)

    def overtaken() -> bool:
        with world.database.read() as session:
            return overtaken_in_tags(session, one)

    assert not overtaken(), "a newer run that has built nothing may still find nothing to do"
    with world.database.begin() as session:
        world.built(session, two, second)
    assert overtaken()
    with world.database.begin() as session:
        session.get_one(RunRow, two).state = State.SKIPPED
    assert not overtaken(), "it will never move them"


def test_a_commit_with_nothing_to_build_says_so_and_deploys_nothing(world: Hearing) -> None:
    revision = world.repository.commit({"compose.yaml": b"services: {db: {image: x}}"}, ref=f"{HEADS}main")
    run = world.hear(revision, built=False)
    with world.database.read() as session:
        (stage,) = session.scalars(select(StageRow).where(StageRow.run_id == run.id))
    assert (run.state, stage.name, stage.reason) == ("passed", "source", "nothing here is built or deployed")


def test_an_old_commit_that_is_built_again_does_not_take_the_moving_tags_back(world: Hearing) -> None:
    old = world.commit_files("app.py")
    new = world.commit_files("app.py", parent=old)
    pushed = world.made(old)
    newest = world.made(new)
    by_hand = world.made(old, trigger="chat")
    with world.database.begin() as session:
        for run, revision in ((pushed, old), (newest, new)):
            world.built(session, run, revision)
        assert [overtaken_in_tags(session, run) for run in (pushed, newest, by_hand)] == [True, False, True]
    back = world.made(old)
    with world.database.read() as session:
        assert [overtaken_in_tags(session, run) for run in (newest, back)] == [True, False], "it was pushed again"


def test_an_old_commit_that_is_built_again_does_not_bring_its_rules_back(world: Hearing) -> None:
    old = world.commit_files("app.py", yml="retention: {images: 2}\nservices: {web: {}}\n")
    new = "retention: {images: 50}\nservices: {web: {}}\nenvironments: {staging: {branches: []}}\n"
    world.hear(old)
    world.hear(world.commit_files("app.py", parent=old, yml=new))
    world.hear(old, trigger="chat")
    with world.database.read() as session:
        assert retention.ages(session)[world.project.id].images == 50
    files = world.commit_files("app.py", parent=old, ref=f"{HEADS}side", yml=DEPLOYS)
    side = world.made(files, ref=f"{HEADS}side")
    world.start(side)
    with world.database.read() as session:
        config = session.get_one(RunRow, side).config or {}
        assert config["environments"]["staging"]["branches"] == []


def test_the_default_branchs_push_sets_the_schedules(world: Hearing) -> None:
    by = 'trigger: {schedule: [{cron: "0 3 * * *", stages: [build]}]}\nservices: {web: {}}\n'
    world.hear(world.commit_files("app.py", yml=by))
    with world.database.read() as session:
        (row,) = session.scalars(select(ScheduleRow))
        assert (row.cron, row.stages, row.due_at > 1e9) == ("0 3 * * *", ["build"], True)
    world.hear(world.commit_files("app.py", yml="services: {web: {}}\n"), ref="refs/heads/other")
    with world.database.read() as session:
        assert len(session.scalars(select(ScheduleRow)).all()) == 1
