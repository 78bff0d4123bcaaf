"""Live messages and commands as the worker does them, with the recorder and with a stand-in of Slack."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select

from notify.answers import Answers
from notify.recorder import Recorder
from notify.slack import Slack
from pipeline.containers import Limits
from pipeline.errors import StaleFence, Unavailable
from pipeline.outcome import State
from pipeline.ports import Chat, ChatMessage
from store import commands, jobs, messages, schema
from store.commands import NewCommand
from store.recorded import Recorded, since
from store.session import Database, now
from tests import factories as make
from tests.slack_standin import TOKEN, SlackStandin, standin
from workers import announce, chat, heartbeat
from workers.context import Context
from workers.handlers import HANDLERS
from workers.heartbeat import Heartbeat
from workers.steps import run_job


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = make.database(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def server() -> Iterator[SlackStandin]:
    with standin() as slack:
        yield slack


@pytest.fixture
def slack(database: Database, server: SlackStandin) -> Context:
    return context(database, Slack(TOKEN, server.url, timeout=1, pause=0.0))


@pytest.fixture
def recorder(database: Database, tmp_path: Path) -> Context:
    return context(database, Recorder(Recorded(database), tmp_path / "chat.jsonl", now=lambda: make.NOW))


def context(database: Database, talk: Chat) -> Context:
    """Return a context whose chat and database are real; drawing messages needs no other port."""
    none = cast(Any, None)
    limits = Limits(seconds=1, silence=1)
    return Context(
        database=database,
        source=none,
        engine=none,
        copies=none,
        registry=none,
        proxy=none,
        names=none,
        probe=none,
        transcripts=none,
        artifacts=none,
        door=none,
        storeroom=none,
        chat=talk,
        forges=none,
        seal=none,
        home="test",
        registry_address="localhost:5100",
        domains=("slipway.test", "slipway.localhost"),
        web_url="http://127.0.0.1:8070",
        proxy_port=8080,
        channel="#deploys",
        version="0",
        build_limits=limits,
        test_limits=limits,
        memory=1,
        now=lambda: make.NOW,
    )


def begin(database: Database, state: str = "running") -> int:
    """Make a run that has a message to draw; return its number."""
    with database.begin() as session:
        run = make.run(session, make.project(session), {"build": "passed", "unit": "running"}, state=state)
        messages.touch(session, "run", run.id, channel="#deploys", at=make.NOW)
        return run.id


def change(database: Database, run: int, state: str) -> None:
    with database.begin() as session:
        session.get_one(schema.RunRow, run).state = state
        messages.touch(session, "run", run, channel="#deploys", at=make.NOW)


def work(ctx: Context, kind: jobs.JobKind = jobs.JobKind.MESSAGE) -> jobs.Claim:
    """Claim the only job of a kind, as if it were due, and do it."""
    taken = take(ctx.database, kind)
    (chat if kind is jobs.JobKind.COMMAND else announce).handle(ctx, taken)
    return taken


def take(database: Database, kind: jobs.JobKind = jobs.JobKind.MESSAGE) -> jobs.Claim:
    with database.begin() as session:
        row = session.query(schema.JobRow).filter_by(kind=kind).one()
        row.not_before = 0.0
        session.flush()
        taken = jobs.claim(session, row.id, "test")
    assert taken is not None
    return taken


def job(database: Database) -> schema.JobRow:
    with database.read() as session:
        return session.query(schema.JobRow).filter_by(kind="message").one()


def delay(database: Database) -> float:
    """Return for how many seconds the job has been put back."""
    with database.read() as session:
        left = job(database).not_before - (session.scalar(select(now())) or 0.0)
    # Some of it has passed by now: the whole second above is what was meant.
    return math.ceil(left)


def message(database: Database) -> schema.MessageRow:
    with database.read() as session:
        return session.query(schema.MessageRow).one()


def test_a_run_is_one_message_redrawn_until_it_has_ended(slack: Context, server: SlackStandin) -> None:
    run = begin(slack.database)
    work(slack)
    assert "shop r1" in server.one()["text"] and "testing" in server.one()["text"]
    change(slack.database, run, "passed")
    work(slack)
    assert "— passed" in server.one()["text"]
    assert server.one()["edits"] == 1
    assert job(slack.database).state == "done"
    assert message(slack.database).drawn == 2


def test_while_more_is_to_come_a_burst_of_changes_is_drawn_once(slack: Context, server: SlackStandin) -> None:
    run = begin(slack.database)
    work(slack)
    assert job(slack.database).state == "done"
    for _ in range(5):
        change(slack.database, run, "running")
    assert job(slack.database).state == "queued"
    work(slack)
    assert server.calls == ["chat.postMessage", "chat.update"]
    assert job(slack.database).state == "done"


def test_a_change_after_a_quiet_time_is_drawn(slack: Context, server: SlackStandin) -> None:
    run = begin(slack.database)
    work(slack)
    change(slack.database, run, "failed")
    work(slack)
    assert server.one()["edits"] == 1


def test_between_two_drawings_there_is_the_chat_s_pause(database: Database, server: SlackStandin) -> None:
    ctx = context(database, Slack(TOKEN, server.url))
    run = begin(database)
    work(ctx)
    change(database, run, "failed")
    assert job(database).state == "queued"
    assert delay(database) == 2
    assert job(database).attempt == 0


def test_a_change_while_it_is_drawn_is_drawn_after(slack: Context, server: SlackStandin) -> None:
    run = begin(slack.database, "failed")
    work(replace(slack, chat=cast(Chat, Meanwhile(slack, run, "passed"))))
    assert job(slack.database).state == "queued"
    work(slack)
    assert "passed" in server.one()["text"]
    assert job(slack.database).state == "done"


def test_a_change_just_before_the_job_ends_is_not_lost(slack: Context) -> None:
    run = begin(slack.database, "passed")
    work(slack)
    change(slack.database, run, "passed")
    with slack.database.begin() as session:
        messages.drawn(session, 1, ts="C0DEPLOYS:1", version=2)
    taken = take(slack.database)
    seen = slack.database.read
    touched: list[bool] = []

    class Late(Database):
        """Changes the run between the look and the end."""

        def __init__(self) -> None:
            self.engine = slack.database.engine
            self._on_commit = lambda: None

        def read(self) -> Any:
            return seen()

        def begin(self) -> Any:
            if not touched:
                touched.append(True)
                change(slack.database, run, "failed")
            return slack.database.begin()

    announce.handle(replace(slack, database=Late()), taken)
    assert job(slack.database).state == "queued"


def test_F52_slack_s_own_wait_is_kept_and_is_no_attempt(slack: Context, server: SlackStandin) -> None:
    begin(slack.database)
    server.fail(status=429, error="ratelimited", headers={"Retry-After": "7"})
    work(slack)
    assert (delay(slack.database), job(slack.database).attempt) == (7, 0)
    work(slack)
    assert "shop r1" in server.one()["text"]


def test_F52_a_slack_that_is_down_is_tried_again_later_and_later(slack: Context, server: SlackStandin) -> None:
    begin(slack.database)
    delays = []
    for _ in range(6):
        server.fail(status=503)
        work(slack)
        delays.append(delay(slack.database))
    assert delays == [2, 10, 60, 300, 900, 900]
    work(slack)
    assert "shop r1" in server.one()["text"]


def test_F52_after_a_day_a_message_is_given_up(slack: Context, server: SlackStandin) -> None:
    begin(slack.database)
    server.fail(status=503)
    last = replace(take(slack.database), attempt=announce.ATTEMPTS)
    with pytest.raises(Unavailable) as fault:
        announce.handle(slack, last)
    with slack.database.begin() as session:
        announce.give_up(slack, session, last, fault.value)
    assert message(slack.database).error == "Slack answers 503"
    waits = [announce.BACK_OFF[min(n, len(announce.BACK_OFF)) - 1] for n in range(1, announce.ATTEMPTS)]
    assert 0.9 < timedelta(seconds=sum(waits)) / timedelta(days=1) < 1.1


def test_F53_a_deleted_message_is_posted_anew_and_known_by_its_new_timestamp(
    slack: Context, server: SlackStandin
) -> None:
    run = begin(slack.database)
    work(slack)
    server.forget()
    change(slack.database, run, "passed")
    work(slack)
    ((channel, ts),) = server.messages
    assert message(slack.database).ts == f"{channel}:{ts}"


def test_a_refusal_is_kept_as_a_sentence_and_not_tried_again(slack: Context, server: SlackStandin) -> None:
    begin(slack.database)
    server.channels.clear()
    work(slack)
    assert "no such channel" in message(slack.database).error
    assert job(slack.database).state == "done"


class Meanwhile:
    """A chat that takes its time: the run changes while it is asked to post."""

    pause = 0.0

    def __init__(self, ctx: Context, run: int, state: str) -> None:
        self.ctx, self.run, self.state = ctx, run, state

    def post(self, drawing: ChatMessage) -> str:
        if self.state:
            change(self.ctx.database, self.run, self.state)
            self.state = ""
        return self.ctx.chat.post(drawing)


def test_a_change_while_a_drawing_is_refused_is_drawn_after(slack: Context, server: SlackStandin) -> None:
    run = begin(slack.database, "failed")
    server.fail(error="invalid_auth")
    work(replace(slack, chat=cast(Chat, Meanwhile(slack, run, "passed"))))
    assert job(slack.database).state == "queued"
    work(slack)
    assert "passed" in server.one()["text"]
    assert (job(slack.database).state, message(slack.database).error) == ("done", "")


def test_a_change_while_a_message_is_given_up_has_a_day_of_its_own(slack: Context, server: SlackStandin) -> None:
    run = begin(slack.database, "failed")
    with slack.database.begin() as session:
        session.query(schema.JobRow).update({"attempt": announce.ATTEMPTS - 1})
    server.fail(status=503)
    late = replace(slack, chat=cast(Chat, Meanwhile(slack, run, "passed")))
    run_job(late, HANDLERS, job(slack.database).id, "test")
    assert (job(slack.database).state, job(slack.database).attempt) == ("queued", 0)
    assert message(slack.database).error == "Slack answers 503"
    work(slack)
    assert "passed" in server.one()["text"]


def test_a_message_given_up_without_a_change_ends(slack: Context, server: SlackStandin) -> None:
    begin(slack.database)
    with slack.database.begin() as session:
        session.query(schema.JobRow).update({"attempt": announce.ATTEMPTS - 1})
    server.fail(status=503)
    run_job(slack, HANDLERS, job(slack.database).id, "test")
    assert job(slack.database).state == "done"


def test_what_was_refused_is_tried_again_when_it_changes(slack: Context, server: SlackStandin) -> None:
    run = begin(slack.database)
    server.fail(error="invalid_auth")
    work(slack)
    change(slack.database, run, "passed")
    work(slack)
    assert "passed" in server.one()["text"]
    assert message(slack.database).error == ""


def test_a_worker_that_was_overtaken_records_nothing(slack: Context) -> None:
    begin(slack.database)
    late = take(slack.database)
    with slack.database.begin() as session:
        session.query(schema.JobRow).update({"lease_until": 0.0})
    take(slack.database)
    with pytest.raises(StaleFence):
        announce.handle(slack, late)
    assert message(slack.database).ts == ""


def test_in_the_recorder_a_crash_between_posting_and_recording_posts_once(recorder: Context, tmp_path: Path) -> None:
    run = begin(recorder.database)
    first = take(recorder.database)
    with recorder.database.begin() as session:
        session.query(schema.JobRow).update({"lease_until": 0.0})
    take(recorder.database)
    with pytest.raises(StaleFence):
        announce.handle(recorder, first)
    with recorder.database.begin() as session:
        session.query(schema.JobRow).update({"state": "queued"})
    change(recorder.database, run, "passed")
    work(recorder)
    with recorder.database.read() as session:
        (kept,) = since(session, None)
    assert (kept.ts, kept.edits) == ("1.000000", 1)
    assert "passed" in kept.text


def test_the_recorder_writes_a_line_for_everything_said(recorder: Context, tmp_path: Path) -> None:
    run = begin(recorder.database)
    work(recorder)
    change(recorder.database, run, "passed")
    work(recorder)
    recorder.chat.reply("", ChatMessage(channel="#deploys", text="on it"))
    path = tmp_path / "chat.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["post", "update", "reply"]
    assert lines[1]["text"].startswith("✅ *shop r1*")
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_recorder_keeps_anew_what_it_does_not_know(recorder: Context) -> None:
    ts = recorder.chat.update("9.000000", ChatMessage(channel="#deploys", text="hello"))
    assert ts == f"{make.NOW.timestamp():.6f}"
    with recorder.database.read() as session:
        assert [one.text for one in since(session, None)] == ["hello"]
        assert since(session, make.NOW) == ()


def test_the_recorder_answers_a_command_that_came_from_slack(
    database: Database, server: SlackStandin, tmp_path: Path
) -> None:
    kept = Recorder(Recorded(database), tmp_path / "chat.jsonl", answers=Answers(server.url))
    kept.reply(server.response_url, ChatMessage(channel="#deploys", text="on it"))
    assert server.answers[0]["text"] == "on it"


def test_a_message_about_nothing_ends(recorder: Context) -> None:
    begin(recorder.database)
    with recorder.database.begin() as session:
        session.query(schema.MessageRow).update({"ref_id": 99})
    work(recorder)
    assert job(recorder.database).state == "done"


def test_a_message_of_no_row_ends(recorder: Context) -> None:
    begin(recorder.database)
    with recorder.database.begin() as session:
        session.query(schema.MessageRow).delete()
    work(recorder)
    assert job(recorder.database).state == "done"


def test_a_deployment_tells_where_it_answers(recorder: Context) -> None:
    with recorder.database.begin() as session:
        place = make.environment(session, make.project(session))
        number = make.deployment(session, place, {"web": make.revision("new")}).id
        messages.touch(session, "deployment", number, channel="#deploys", at=make.NOW)
    work(recorder)
    with recorder.database.read() as session:
        (kept,) = since(session, None)
    assert kept.text.startswith("🚢 *web*")
    assert "web: http://web.staging.shop.slipway.localhost:8080" in kept.text
    assert "http://127.0.0.1:8070/deployments/d1" in kept.text


def test_a_run_tells_what_it_deployed_and_that_main_is_green_again(recorder: Context) -> None:
    with recorder.database.begin() as session:
        project = make.project(session)
        make.run(session, project, state="passed", word="a", began=900, took=10)
        make.run(session, project, state="failed", word="b", began=800, took=10)
        make.run(session, project, state="superseded", word="c", began=750, took=10)
        make.run(session, project, state="error", word="d", began=700, took=10)
        make.run(session, project, state="failed", word="e", began=650, took=10, ref="refs/heads/other")
        make.run(session, project, state="passed", word="p", began=600, took=10, wanted=["unit"])
        run = make.run(session, project, {"deploy": "passed"}, began=100, took=10, word="f")
        make.deployment(session, make.environment(session, project), {"web": run.revision}, run_id=run.id)
        messages.touch(session, "run", run.id, channel="#deploys", at=make.NOW)
    work(recorder)
    with recorder.database.read() as session:
        (kept,) = since(session, None)
    assert "✅ *shop main* is green again after 2 failed runs (11 m 40 s). Fixed by Ana Lima" in kept.text
    assert "🚢 web on staging: http://web.staging.shop.slipway.localhost:8080" in kept.text


def test_a_run_of_some_stages_makes_no_branch_green(recorder: Context) -> None:
    with recorder.database.begin() as session:
        project = make.project(session)
        make.run(session, project, state="failed", word="b", began=800, took=10)
        part = make.run(session, project, {"unit": "passed"}, began=100, took=10, word="p", wanted=["unit"])
        messages.touch(session, "run", part.id, channel="#deploys", at=make.NOW)
    work(recorder)
    with recorder.database.read() as session:
        (kept,) = since(session, None)
    assert "✅" in kept.text and "green" not in kept.text and "Fixed" not in kept.text


def spoken(ctx: Context, line: str, url: str = "") -> None:
    with ctx.database.begin() as session:
        make.project(session)
        new = NewCommand(key="k", source="slack", person="slack:T1:U7", channel="C0SHOP", line=line, response_url=url)
        commands.create(session, new, at=make.NOW)


def command(database: Database) -> schema.CommandRow:
    with database.read() as session:
        return session.query(schema.CommandRow).one()


def test_a_command_is_done_answered_and_ended_in_one_commit(slack: Context, server: SlackStandin) -> None:
    spoken(slack, "status", server.response_url)
    work(slack, jobs.JobKind.COMMAND)
    row = command(slack.database)
    assert row.reply is not None and row.reply["intent"] == {"verb": "status"}
    assert row.answered_at == make.NOW
    assert server.answers[0]["response_type"] == "ephemeral"
    assert "Nothing runs anywhere yet" in server.answers[0]["text"]


def test_a_change_is_answered_for_the_whole_channel_and_shown_where_it_was_asked(
    slack: Context, server: SlackStandin
) -> None:
    spoken(slack, "deploy web to staging", server.response_url)
    with slack.database.begin() as session:
        project = session.query(schema.ProjectRow).one()
        make.image(session, make.run(session, project))
        make.environment(session, project)
    work(slack, jobs.JobKind.COMMAND)
    assert server.answers[0]["response_type"] == "in_channel"
    work(slack)
    assert server.one()["channel"] == "C0SHOP"
    assert "Asked for by <@U7>" in server.one()["text"]


def test_a_command_claimed_again_after_it_was_done_does_nothing(slack: Context, server: SlackStandin) -> None:
    spoken(slack, "whoami", server.response_url)
    work(slack, jobs.JobKind.COMMAND)
    with slack.database.begin() as session:
        session.query(schema.JobRow).update({"state": "queued"})
    work(slack, jobs.JobKind.COMMAND)
    assert len(server.answers) == 1


def test_an_overtaken_worker_does_not_do_the_deed(slack: Context) -> None:
    spoken(slack, "whoami")
    late = take(slack.database, jobs.JobKind.COMMAND)
    with slack.database.begin() as session:
        session.query(schema.JobRow).update({"lease_until": 0.0})
    take(slack.database, jobs.JobKind.COMMAND)
    with pytest.raises(StaleFence):
        chat.handle(slack, late)
    assert command(slack.database).reply is None


@pytest.mark.parametrize("url", ["https://evil.example/x", "gone"])
def test_an_answer_that_cannot_be_given_undoes_nothing(slack: Context, server: SlackStandin, url: str) -> None:
    server.fail(status=500)
    spoken(slack, "whoami", server.response_url if url == "gone" else url)
    work(slack, jobs.JobKind.COMMAND)
    assert command(slack.database).reply is not None
    assert server.answers == []


def test_a_command_that_cannot_be_done_says_so(slack: Context) -> None:
    spoken(slack, "whoami")
    taken = take(slack.database, jobs.JobKind.COMMAND)
    with slack.database.begin() as session:
        chat.give_up(slack, session, taken, Unavailable())
    row = command(slack.database)
    assert row.reply is not None and row.reply["code"] == "error"


def test_every_state_a_run_can_have_is_a_story(recorder: Context) -> None:
    run = begin(recorder.database)
    for state in State:
        change(recorder.database, run, state)
        work(recorder)
    with recorder.database.read() as session:
        assert since(session, None)[0].edits == len(State) - 1


class Stumbling(Database):
    """A database that fails as nobody foresaw, the first few times a heart beats."""

    def __init__(self, database: Database, times: int) -> None:
        self.engine, self._on_commit, self.times = database.engine, lambda: None, times

    def begin(self) -> Any:
        if self.times:
            self.times -= 1
            raise RuntimeError("nobody foresaw this")
        return super().begin()


def test_a_heart_goes_on_after_what_nobody_foresaw(slack: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(heartbeat, "RENEW_SECONDS", 0.02)
    begin(slack.database)
    taken = take(slack.database)
    with slack.database.begin() as session:
        session.query(schema.JobRow).update({"lease_until": 1.0})
    with Heartbeat(replace(slack, database=Stumbling(slack.database, 2)), taken):
        deadline = time.monotonic() + 5
        while (job(slack.database).lease_until or 0) <= 1.0:
            assert time.monotonic() < deadline, "the lease was never renewed"
            time.sleep(0.02)


def test_a_heart_stops_when_its_own_job_has_ended(slack: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(heartbeat, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(heartbeat, "end_process", lambda: pytest.fail("nobody has taken it over"))
    begin(slack.database)
    taken = take(slack.database)
    with slack.database.begin() as session:
        jobs.finish(session, taken)
    with Heartbeat(slack, taken) as beating:
        beating._thread.join(5)
        assert not beating._thread.is_alive()
