"""Pull requests from forks: they wait for somebody, who vouches for one commit, and nothing makes them begin before."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from control.intake import Answer
from control.speak import Spoken, say
from hooks.accept import Received
from hooks.forges import DOORS
from pipeline.errors import StageFailed
from store import jobs, projects, stage_work
from store.schema import DeploymentRow, JobRow, ProjectRow, RunRow, StageRow
from store.session import Database
from tests import factories as make
from tests import fakes
from tests.integration.test_inbox import signed
from tests.integration.test_inbox_order import A, B, Story
from workers import deploy
from workers.stage import Scene


class Forks(Story):
    """A project that wants runs of pull requests, and a stranger who makes one."""

    def request(self, after: str, *, action: str = "opened", name: str = "") -> Answer:
        self.number += 1
        theirs, ours = {"id": 2, "full_name": "mallory/shop"}, {"id": 1, "full_name": "acme/shop"}
        body: dict[str, Any] = {
            "action": action,
            "number": 7,
            "repository": ours,
            "pull_request": {
                "title": "Make it faster",
                "user": {"login": "mallory"},
                "head": {"ref": "main", "sha": after, "repo": theirs},
                "base": {"ref": "main", "sha": "0" * 40, "repo": ours},
                "updated_at": self.number,
            },
        }
        raw = json.dumps(body).encode()
        headers = signed(raw, event="pull_request", delivery=name or f"p-{self.number}")
        headers = {key.lower(): value for key, value in headers.items()}
        return self.inbox.receive(Received(door=DOORS["github"], project="shop", headers=headers, body=raw))

    def say(self, line: str) -> Spoken:
        return say(self.database, line, actor="ana@example.com", channel="#deploys", at=self.now)

    def job(self, run: int) -> int:
        with self.database.read() as session:
            stage = select(StageRow.id).where(StageRow.run_id == run).scalar_subquery()
            return session.scalars(select(JobRow.id).where(JobRow.kind == "stage", JobRow.ref_id == stage)).one()

    def may_begin(self, run: int) -> bool:
        """Tell whether the clock would send the run's first stage, and a worker may take it."""
        number = self.job(run)
        with self.database.begin() as session:
            is_due = number in [one.id for one in jobs.due(session)]
        with self.database.begin() as session:
            taken = jobs.claim(session, number, "me")
            session.rollback()
        assert is_due == (taken is not None)
        return is_due


@pytest.fixture
def story(database: Database, moment: datetime) -> Iterator[Forks]:
    made = Forks(database, moment)
    made.rules(push={}, pull_request={"branches": ["main"]})
    yield made


def test_G17_a_strangers_run_waits_and_no_worker_can_begin_it(story: Forks) -> None:
    answer = story.request(A)
    assert (answer.status, answer.runs) == (202, (1,))
    assert "waits for approval: it comes from a fork, and gets no secrets" in answer.detail
    run = story.run(1)
    assert (run.state, run.trusted, run.pull_request, run.trigger) == ("waiting", False, 7, "pull_request")
    assert (run.ref, run.author, run.message) == ("refs/pull/7/head", "mallory", "Make it faster")
    assert not story.may_begin(1)
    assert story.told() == {}


def test_G18_G19_an_approval_is_of_one_commit_and_the_next_push_waits_again(story: Forks) -> None:
    story.request(A)
    spoken = story.say("approve r1")
    assert spoken.reply.text == f"✅ @ana lets r1 (`{A[:7]}` of pull request 7) run. It gets no secrets."
    run = story.run(1)
    assert (run.state, run.approved_by, run.trusted) == ("queued", "ana@example.com", False)
    assert story.may_begin(1)
    story.request(B, action="synchronize")
    assert story.states() == {1: "superseded", 2: "waiting"}
    assert not story.may_begin(2)


def test_G18_what_takes_the_place_of_a_run_has_nothing_of_its_approval(story: Forks) -> None:
    story.request(A)
    story.request(B, action="synchronize")
    assert story.states() == {1: "superseded", 2: "waiting"}
    refused = story.say("approve r1")
    assert refused.reply.code == "not_waiting"
    story.say("approve r2")
    assert story.may_begin(2)


def test_the_same_commit_is_the_same_run_however_often_it_is_told(story: Forks) -> None:
    story.request(A)
    assert story.request(A, action="reopened").code == "duplicate"
    assert story.states() == {1: "waiting"}


@pytest.mark.parametrize("line", ["retry r2", "retry r2 source", f"build shop@{B}", "retry r1", "retry r1 source"])
def test_G18_running_anything_again_begins_nothing_that_nobody_approved(story: Forks, line: str) -> None:
    story.request(A)
    story.say("approve r1")
    story.request(B, action="synchronize")
    story.say(line)
    assert story.states() == {1: "superseded", 2: "waiting"}
    assert not story.may_begin(2)


@pytest.mark.parametrize("line", ["reject r1 because no", "cancel r1"])
def test_a_run_that_nobody_wants_ends_at_once(story: Forks, line: str) -> None:
    story.request(A)
    story.say(line)
    assert story.states() == {1: "cancelled"}
    assert story.say("approve r1").reply.code == "not_waiting"
    assert story.say("retry r1 source").reply.code == "untrusted_run"
    assert story.say(f"build shop@{A}").reply.code == "untrusted_run"


def test_a_closed_pull_request_calls_its_run_off(story: Forks) -> None:
    story.request(A)
    assert story.request(A, action="closed").code == "ref_deleted"
    assert story.run(1).cancel_requested
    assert story.say("approve r1").reply.code == "not_waiting"


def test_without_a_rule_a_fork_starts_nothing(story: Forks) -> None:
    story.rules(push={})
    assert story.request(A).code == "ignored_fork"
    assert story.states() == {}


def test_a_branch_of_that_name_is_another_ref(story: Forks) -> None:
    story.request(A)
    story.push("0" * 40, A)
    assert story.states() == {1: "waiting", 2: "queued"}
    with story.database.begin() as session:
        session.execute(update(RunRow).where(RunRow.id == 2).values(state="failed"))
    assert story.run(2).trusted and story.may_begin(2)


def test_whatever_brings_a_strangers_run_to_a_deployment_it_is_not_carried_out(story: Forks, tmp_path: Path) -> None:
    with story.database.begin() as session:
        project = session.scalars(select(ProjectRow)).one()
        values: dict[str, Any] = {"trusted": False, "approved_by": "ana@example.com", "state": "running"}
        run = make.run(session, project, [{"name": "live", "kind": "deploy", "spec": {"to": "live"}}], **values)
        number = session.scalars(select(StageRow.id).where(StageRow.run_id == run.id)).one()
        ctx = fakes.context(story.database, tmp_path)
        scene = Scene(
            ctx=ctx,
            claim=jobs.Claim(id=1, kind=jobs.JobKind.STAGE, ref_id=number, fence=1, attempt=1),
            work=stage_work.work(session, number),
            project=projects.get(session, project.id),
            transcript=fakes.Transcripts().open(run.id, "live", 1),
        )
    with pytest.raises(StageFailed) as refused:
        deploy.stage(scene)
    assert refused.value.code == "no_deploys_for_forks"
    with story.database.read() as session:
        assert session.scalars(select(DeploymentRow)).all() == []
