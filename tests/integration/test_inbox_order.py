"""The order of pushes: what supersedes what, whose place in the queue it takes, what comes late, doubled or back."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from control.intake import Answer, take_in
from hooks.accept import Inbox, Received
from hooks.forges import DOORS
from pipeline.project import Forge, Project
from pipeline.push import Event, Push
from store import deliveries, jobs, projects, runs
from store.deliveries import SWEEP, NewDelivery
from store.schema import DeliveryRow, JobRow, MessageRow, ProjectRow, RefHeadRow, RunRow, StageRow
from store.session import Database
from tests.integration.test_inbox import SECRET, signed

A, B, C, ZERO = "a" * 40, "b" * 40, "c" * 40, "0" * 40
MAIN = "refs/heads/main"


class Story:
    """One project, and pushes to it as they come in."""

    def __init__(self, database: Database, moment: datetime) -> None:
        self.database, self.now = database, moment
        self.inbox = Inbox(database=database, channel="#deploys", clock=lambda: self.now)
        self.number = 0
        with database.begin() as session:
            known = Project(id=0, name="shop", url="https://github.com/acme/shop", forge=Forge.GITHUB, secret=SECRET)
            self.project = projects.add(session, known, at=moment)

    def push(
        self, before: str, after: str, ref: str = MAIN, *, name: str = "", message: str = "", **more: Any
    ) -> Answer:
        """Have GitHub tell of a push, each time with a body of its own unless `more` says otherwise."""
        self.number += 1
        head = {"id": after, "message": message or "Move on"} if after.strip("0") else None
        said = {"ref": ref, "before": before, "after": after, "head_commit": head, "pusher": {"name": "ana"}}
        body = {**said, "repository": {"full_name": "acme/shop", "pushed_at": self.number}, **more}
        return self.tell(json.dumps(body).encode(), name or f"d-{self.number}")

    def tell(self, body: bytes, name: str) -> Answer:
        headers = {key.lower(): value for key, value in signed(body, delivery=name).items()}
        return self.inbox.receive(Received(door=DOORS["github"], project="shop", headers=headers, body=body))

    def saw(self, before: str, after: str, ref: str = MAIN, *, instead_of: int | None = None) -> Answer:
        """Have a look at the repository find a ref."""
        self.number += 1
        new = NewDelivery(
            forge="github",
            key=f"look:{self.number}",
            event="look",
            headers={},
            body=str(self.number).encode(),
            at=self.now,
            source=SWEEP,
        )
        events: list[Event] = [Push(ref=ref, before=before, after=after)]
        with self.database.begin() as session:
            project = projects.get(session, self.project.id)
            return take_in(session, project, new, events, channel="#deploys", instead_of=instead_of)

    def rules(self, **rules: Any) -> None:
        with self.database.begin() as session:
            session.execute(update(ProjectRow).values(rules=rules))

    def begin(self, run: int, kind: str = "source") -> None:
        """Begin a run's first stage, as its worker does, or note that it has begun another."""
        with self.database.begin() as session:
            stage = session.scalars(select(StageRow).where(StageRow.run_id == run)).first()
            assert stage is not None
            runs.begin(session, stage.id, at=self.now)
            stage.kind = kind
            session.execute(
                update(JobRow).where(JobRow.kind == "stage", JobRow.ref_id == stage.id).values(state="running")
            )

    def states(self) -> dict[int, str]:
        with self.database.read() as session:
            return {row.id: row.state for row in session.scalars(select(RunRow).order_by(RunRow.id))}

    def run(self, number: int) -> RunRow:
        with self.database.read() as session:
            return session.get_one(RunRow, number)

    def told(self) -> dict[str, str]:
        with self.database.read() as session:
            return {row.ref: row.revision for row in session.scalars(select(RefHeadRow))}

    def queue(self) -> list[int]:
        """The runs whose first stage waits, in the order they will be sent."""
        with self.database.read() as session:
            rows = session.execute(
                select(StageRow.run_id)
                .join(JobRow, (JobRow.ref_id == StageRow.id) & (JobRow.kind == "stage"))
                .where(JobRow.state == "queued", StageRow.state == "queued")
                .order_by(JobRow.id)
            )
            return list(rows.scalars())


@pytest.fixture
def story(database: Database, moment: datetime) -> Iterator[Story]:
    yield Story(database, moment)


def test_a_newer_push_takes_the_place_of_one_that_has_not_started(story: Story) -> None:
    story.push(ZERO, A)
    story.push(ZERO, A, "refs/heads/other")
    answer = story.push(A, B)
    assert answer.detail == "shop bbbbbbb on main is r3, in place of r1"
    assert story.states() == {1: "superseded", 2: "queued", 3: "queued"}
    assert story.queue() == [3, 2]
    old = story.run(1)
    assert (old.superseded_by, old.code) == (3, "superseded")
    assert old.reason == "`bbbbbbb` is newer and is running as r3"
    assert old.finished_at is not None


def test_what_is_superseded_has_its_stage_ended_and_its_message_drawn_again(story: Story) -> None:
    story.push(ZERO, A)
    with story.database.begin() as session:
        session.execute(update(JobRow).where(JobRow.kind == "message").values(state="done", sent_at=1.0))
    story.push(A, B)
    with story.database.read() as session:
        stage = session.scalars(select(StageRow).where(StageRow.run_id == 1)).one()
        message = session.scalars(select(MessageRow).where(MessageRow.ref_id == 1)).one()
        job = session.scalars(select(JobRow).where(JobRow.kind == "message", JobRow.ref_id == message.id)).one()
    assert (stage.state, stage.code) == ("superseded", "superseded")
    assert (message.version, job.state, job.sent_at) == (2, "queued", None)


def test_pushing_without_end_never_costs_a_ref_its_place(story: Story) -> None:
    story.push(ZERO, A)
    story.push(ZERO, A, "refs/heads/other")
    before = A
    for number in range(20):
        after = f"{number:040x}"
        story.push(before, after) if after != ZERO else None
        before = after if after != ZERO else before
    assert story.queue()[0] == max(number for number, state in story.states().items() if state == "queued")
    assert list(story.states().values()).count("queued") == 2


def test_a_run_that_has_started_is_left_alone_unless_the_rules_say_otherwise(story: Story) -> None:
    story.push(ZERO, A)
    story.begin(1)
    story.push(A, B)
    assert story.states() == {1: "running", 2: "queued"}
    assert not story.run(1).cancel_requested


def test_a_job_that_a_worker_has_just_claimed_stays_with_its_run(story: Story) -> None:
    story.push(ZERO, A)
    with story.database.begin() as session:
        assert jobs.claim(session, 1, "worker")
    story.push(A, B)
    assert story.states() == {1: "superseded", 2: "queued"}
    assert story.queue() == [2]
    with story.database.read() as session:
        assert session.get_one(JobRow, 1).state == "running"


def test_nothing_gives_way_where_the_rules_say_never(story: Story) -> None:
    story.rules(supersede="never")
    story.push(ZERO, A)
    story.push(A, B)
    assert story.states() == {1: "queued", 2: "queued"}


def test_running_runs_are_stopped_where_the_rules_say_so_but_none_that_deploys(story: Story) -> None:
    story.rules(supersede="running")
    story.push(ZERO, A)
    story.begin(1)
    story.push(A, B)
    stopped = story.run(1)
    assert (stopped.state, stopped.cancel_requested, stopped.superseded_by) == ("running", True, 2)
    story.begin(2, kind="deploy")
    story.push(B, C)
    assert not story.run(2).cancel_requested


def test_after_three_stopped_runs_in_a_row_the_next_one_is_left_to_finish(story: Story) -> None:
    story.rules(supersede="running")
    revisions = [f"{number:040x}" for number in range(1, 9)]
    for number, after in enumerate(revisions, start=1):
        story.push(revisions[number - 2] if number > 1 else ZERO, after)
        story.begin(number)
    stopped = [number for number in range(1, 9) if story.run(number).superseded_by]
    assert stopped == [1, 2, 3, 5, 6, 7]


def test_what_a_person_asked_for_gives_way_to_nothing(story: Story) -> None:
    with story.database.begin() as session:
        asked = Push(ref=MAIN, before=ZERO, after=A)
        runs.create(session, story.project, asked, trigger="chat", at=story.now)
    story.push(A, B)
    assert story.states() == {1: "queued", 2: "queued"}


def test_many_pushes_of_one_ref_in_one_delivery_end_with_the_last(story: Story) -> None:
    new = NewDelivery(forge="git", key="k", event="push", headers={}, body=b"", at=story.now)
    pushes = [Push(ref=MAIN, before=one, after=other) for one, other in ((ZERO, A), (A, B), (B, C))]
    with story.database.begin() as session:
        answer = take_in(session, story.project, new, pushes, channel="#deploys")
    assert (answer.runs, story.states()) == ((1, 2, 3), {1: "superseded", 2: "superseded", 3: "queued"})
    assert (story.queue(), story.run(1).superseded_by, story.run(2).superseded_by) == ([3], 2, 3)


def test_F31_out_of_order_the_later_push_stays_and_the_earlier_one_gives_way(story: Story) -> None:
    story.push(A, B)
    answer = story.push(ZERO, A)
    assert answer.detail == (
        "shop aaaaaaa on main is r2, which gives way: r1 is of a later push that was told of first"
    )
    assert story.states() == {1: "queued", 2: "superseded"}
    assert story.told() == {MAIN: B}
    assert story.queue() == [1]


def test_F31_late_and_doubled_deliveries_change_nothing(story: Story) -> None:
    first = story.push(ZERO, A, name="one")
    story.push(A, B)
    again = [story.push(ZERO, A, name="one"), story.push(ZERO, A, name="other"), story.push(A, B, name="more")]
    assert [(one.code, one.runs) for one in again] == [
        ("duplicate", first.runs),
        ("duplicate", (1,)),
        ("duplicate", (2,)),
    ]
    assert story.states() == {1: "superseded", 2: "queued"}
    assert story.told() == {MAIN: B}


def test_a_branch_moved_back_and_forth_runs_once_for_each_move(story: Story) -> None:
    moves = [(ZERO, A), (A, B), (B, A), (A, B), (B, A)]
    assert [story.push(*move).runs for move in moves] == [(1,), (2,), (3,), (4,), (5,)]
    again = [story.push(*move, name=f"d-{number}") for number, move in enumerate(moves, start=1)]
    assert [one.runs for one in again] == [(1,), (2,), (3,), (4,), (5,)]
    assert [story.push(ZERO, A).runs, story.push(C, B).runs] == [(5,), (2,)]
    assert list(story.states()) == [1, 2, 3, 4, 5]


def test_W9_the_same_body_under_another_name_is_no_second_move(story: Story) -> None:
    for move in ((ZERO, A), (A, B)):
        story.push(*move)
    body: dict[str, Any] = {"repository": {"full_name": "acme/shop"}}
    assert story.push(B, A, **body).runs == (3,)
    story.push(A, B)
    replay = story.push(B, A, **body)
    assert (replay.code, replay.runs) == ("duplicate", (1,))
    story.now += timedelta(minutes=11)
    assert story.push(B, A, **body).code == "accepted"


def test_a_signed_name_cannot_be_a_replay(story: Story) -> None:
    with story.database.begin() as session:
        project = story.project
        for number, (before, after) in enumerate(((ZERO, A), (A, B), (B, A), (A, B))):
            body = f"{before}{after}".encode()
            new = NewDelivery(
                forge="git", key=f"{number}", event="push", headers={}, body=body, at=story.now, signed_key=True
            )
            take_in(session, project, new, [Push(ref=MAIN, before=before, after=after)], channel="#deploys")
    assert len(story.states()) == 4


def test_a_name_is_remembered_for_thirty_days(story: Story) -> None:
    story.push(ZERO, A, name="one")
    story.now += timedelta(days=29)
    assert story.push(A, B, name="one").code == "duplicate"
    story.now += timedelta(days=2)
    assert story.push(A, B, name="one").code == "accepted"


def test_refs_that_differ_only_in_case_are_two(story: Story) -> None:
    for ref in ("refs/heads/main", "refs/heads/Main", "refs/heads/日本/語", "refs/heads/feature/x", "refs/tags/main"):
        assert story.push(ZERO, A, ref).code == "accepted"
    assert set(story.states().values()) == {"queued"}
    assert len(story.told()) == 5


def test_a_deleted_branch_calls_off_what_waits_at_once(story: Story) -> None:
    story.push(ZERO, A)
    answer = story.push(A, ZERO)
    assert (answer.code, answer.detail) == ("ref_deleted", "r1 called off: main was deleted")
    assert story.told() == {}


def test_W9_a_deletion_that_is_sent_again_calls_off_nothing(story: Story) -> None:
    story.push(ZERO, A)
    gone = json.dumps({"ref": MAIN, "before": A, "after": ZERO, "repository": {"full_name": "acme/shop"}}).encode()
    assert story.tell(gone, "first").code == "ref_deleted"
    story.push(ZERO, B)
    story.now += timedelta(days=2)
    assert story.tell(gone, "again").code == "duplicate"
    assert not story.run(2).cancel_requested
    assert story.told() == {MAIN: B}


def test_a_deleted_branch_calls_off_its_runs_and_is_forgotten(story: Story) -> None:
    story.push(ZERO, A)
    story.begin(1)
    story.push(A, B)
    story.push(ZERO, A, "refs/heads/other")
    told = story.push(B, ZERO)
    assert (told.code, told.detail) == (
        "ref_deleted",
        "r1 goes on until a look at the repository finds that main was deleted",
    )
    assert not any(story.run(number).cancel_requested for number in (1, 2))
    answer = story.saw(B, ZERO)
    assert (answer.code, answer.detail) == ("ref_deleted", "r1, r2 called off: main was deleted")
    for number in (1, 2):
        called_off = story.run(number)
        assert (called_off.cancel_requested, called_off.reason) == (True, "main was deleted")
    assert not story.run(3).cancel_requested
    assert story.told() == {"refs/heads/other": A}
    assert story.push(B, ZERO, "refs/heads/never").detail == "nothing to do: never was deleted"


def test_a_branch_that_is_deleted_and_made_again_runs_again(story: Story) -> None:
    story.push(ZERO, A)
    story.push(A, ZERO)
    assert story.push(ZERO, A).runs == (2,)
    assert story.run(2).state == "queued"


def test_what_was_skipped_or_ignored_was_told_all_the_same(story: Story) -> None:
    story.rules(push={"branches": ["main"]})
    assert story.push(ZERO, A, message="Fix [skip ci]").code == "skip_requested"
    ignored = story.push(ZERO, B, "refs/heads/other")
    assert (ignored.code, "only for branches main" in ignored.detail) == ("ignored_branch", True)
    assert story.told() == {MAIN: A, "refs/heads/other": B}
    assert story.states() == {}


def test_one_delivery_of_many_changes_tells_what_became_of_each(story: Story) -> None:
    story.rules(push={"branches": ["new", "next"]})
    story.push(ZERO, B, "refs/heads/next")
    new = NewDelivery(forge="git", key="k", event="push", headers={}, body=b"", at=story.now)
    changes = [
        ("refs/heads/new", ZERO, A),
        ("refs/heads/next", ZERO, B),
        ("refs/heads/x", ZERO, A),
        ("refs/heads/old", A, ZERO),
    ]
    events = [Push(ref=ref, before=before, after=after) for ref, before, after in changes]
    with story.database.begin() as session:
        answer = take_in(session, projects.get(session, 1), new, events, channel="#deploys")
    assert (answer.status, answer.code, answer.runs) == (202, "accepted", (2, 1))
    assert answer.detail == (
        "shop aaaaaaa on new is r2; already handled as r1; nothing to do: runs start only for branches new or next, "
        "and this is x; nothing to do: old was deleted"
    )


def test_a_very_long_answer_is_cut(story: Story) -> None:
    new = NewDelivery(forge="git", key="k", event="push", headers={}, body=b"", at=story.now)
    events = [Push(ref=f"refs/heads/b{number}", before=ZERO, after=A) for number in range(200)]
    with story.database.begin() as session:
        answer = take_in(session, story.project, new, events, channel="#deploys")
    assert (len(answer.runs), answer.detail.count(";"), answer.detail[-13:]) == (200, 20, " and 180 more")


def test_a_look_starts_the_run_that_nobody_told_of(story: Story) -> None:
    answer = story.saw(ZERO, A)
    assert answer.detail == "found by looking, no webhook told of it: shop aaaaaaa on main is r1"
    assert (story.run(1).trigger, story.told()) == ("sweep", {MAIN: A})
    assert story.push(ZERO, A).runs == (1,)


def test_a_look_that_finds_a_ref_moved_back_runs_the_old_commit_again(story: Story) -> None:
    story.push(ZERO, A)
    story.push(A, B)
    assert story.saw(B, A).runs == (3,)
    assert story.saw(B, A).runs == (3,)


def test_a_run_that_asks_for_its_refs_tip_gets_the_run_of_it(story: Story) -> None:
    story.push(A, B)
    story.begin(1)
    story.push(ZERO, C)
    assert story.saw(C, B, instead_of=2).runs == (1,)
    assert story.saw(C, A, instead_of=2).code == "accepted"


def test_a_run_whose_tip_gave_way_before_it_started_has_the_tip_run_again(story: Story) -> None:
    story.push(A, B)
    story.push(ZERO, C)
    assert story.states() == {1: "superseded", 2: "queued"}
    story.begin(2)
    assert story.saw(C, B, instead_of=2).runs == (3,)


def test_many_at_once_on_one_ref_leave_one_run_and_lose_none(story: Story) -> None:
    database_url = story.database.engine.url.render_as_string(hide_password=False)
    pushes = [(f"d-{number}", f"{number:040x}") for number in range(1, 81)]

    def share(part: int) -> list[Answer]:
        mine = Story.__new__(Story)
        mine.database, mine.now, mine.number = Database(database_url), datetime.now(UTC), part * 1000
        mine.inbox = Inbox(database=mine.database, channel="#deploys", clock=lambda: datetime.now(UTC))
        try:
            return [mine.push(ZERO, after, name=name) for name, after in pushes[part::8]]
        finally:
            mine.database.dispose()

    with ThreadPoolExecutor(8) as pool:
        answers = [one for batch in pool.map(share, range(8)) for one in batch]
    assert {one.code for one in answers} == {"accepted"}
    states = story.states()
    assert len(states) == 80
    alive = [number for number, state in states.items() if state != "superseded"]
    assert len(alive) == 1
    assert story.queue() == alive
    with story.database.read() as session:
        assert {row.superseded_by is None for row in session.scalars(select(RunRow).where(RunRow.id != alive[0]))} == {
            False
        }
        assert session.scalar(select(func.count()).select_from(DeliveryRow)) == 80


def test_a_secret_that_was_changed_counts_at_once(story: Story) -> None:
    body = json.dumps({"zen": "x", "hook_id": 1, "repository": {"full_name": "acme/shop"}}).encode()

    def ping(secret: str, name: str) -> str:
        headers = {key.lower(): value for key, value in signed(body, "ping", name, secret).items()}
        try:
            return story.inbox.receive(Received(door=DOORS["github"], project="shop", headers=headers, body=body)).code
        except Exception as fault:
            return str(getattr(fault, "code", fault))

    assert ping(SECRET, "1") == "ping"
    with story.database.begin() as session:
        session.execute(update(ProjectRow).values(secret="whsec_bmV3"))
    assert ping(SECRET, "2") == "bad_signature"
    assert ping("whsec_bmV3", "3") == "ping"


def test_a_delivery_can_be_taken_in_again_once_its_refusal_is_mended(story: Story) -> None:
    with story.database.begin() as session:
        session.execute(update(ProjectRow).values(secret="whsec_bmV3"))
    with pytest.raises(Exception, match="does not match"):
        story.push(ZERO, A)
    with pytest.raises(Exception, match="not signed with the secret of shop"):
        story.inbox.redeliver(1)
    assert story.inbox.reverify(1) == (False, "the signature is not that of the secret of shop")
    assert story.inbox.reverify(1, SECRET) == (True, "the signature is that of this secret")
    with story.database.begin() as session:
        session.execute(update(ProjectRow).values(secret=SECRET))
    answers = [story.inbox.redeliver(1) for _ in range(2)]
    assert [(one.code, one.runs) for one in answers] == [("accepted", (1,)), ("duplicate", (1,))]
    with story.database.read() as session:
        rows = session.execute(select(DeliveryRow.key, DeliveryRow.source).order_by(DeliveryRow.id)).all()
    assert [tuple(row) for row in rows[1:]] == [(" redelivery:1:1", "redelivery"), (" redelivery:1:2", "redelivery")]


def test_what_was_cut_found_or_never_there_cannot_be_taken_in_again(story: Story) -> None:
    story.saw(ZERO, A)
    with pytest.raises(Exception, match="does not match"):
        story.inbox.receive(Received(door=DOORS["github"], project="shop", headers={}, body=b"x" * 100_000))
    for number, code in ((1, "nothing_sent"), (2, "body_cut"), (3, "unknown_delivery")):
        for ask in (story.inbox.redeliver, story.inbox.reverify):
            with pytest.raises(Exception) as fault:
                ask(number)
            assert getattr(fault.value, "code", "") == code


def test_old_deliveries_are_forgotten_a_few_at_a_time_and_their_runs_stay(story: Story) -> None:
    for number in range(6):
        story.push(ZERO, f"{number + 1:040x}", f"refs/heads/b{number}")
    story.now += timedelta(days=31)
    story.push(ZERO, A, "refs/heads/new")
    with pytest.raises(Exception, match="does not match"):
        story.inbox.receive(Received(door=DOORS["github"], project="shop", headers={}, body=b"x"))
    edges: dict[str, Any] = {"before": story.now - timedelta(days=30), "refused_before": story.now - timedelta(days=7)}
    with story.database.begin() as session:
        assert [deliveries.prune(session, **edges, limit=4) for _ in range(3)] == [4, 2, 0]
    later = {name: edge + timedelta(days=8) for name, edge in edges.items()}
    with story.database.begin() as session:
        assert deliveries.prune(session, **later) == 1
        assert [row.verdict for row in session.scalars(select(DeliveryRow))] == ["accepted"]
    assert len(story.states()) == 7
    assert story.run(1).delivery_id is None


def test_W20_projects_start_in_turns_however_many_runs_one_of_them_has_waiting(story: Story) -> None:
    new = NewDelivery(forge="git", key="flood", event="push", headers={}, body=b"", at=story.now)
    flood = [Push(ref=f"refs/heads/b{number}", before=ZERO, after=A) for number in range(300)]
    with story.database.begin() as session:
        take_in(session, story.project, new, flood, channel="#deploys")
        known = Project(id=0, name="quiet", url="https://github.com/acme/quiet", forge=Forge.GITHUB, secret=SECRET)
        quiet = projects.add(session, known, at=story.now)
    assert _send(story) == ["shop"] * jobs.MOST_OUT
    with story.database.begin() as session:
        pushes = [Push(ref=ref, before=ZERO, after=A) for ref in (MAIN, "refs/heads/next")]
        take_in(session, quiet, replace(new, key="two"), pushes, channel="#deploys")
    assert _send(story) == []
    _claim_all(story)
    assert _send(story)[:4] == ["shop", "quiet", "shop", "quiet"]
    _claim_all(story)
    assert _send(story) == ["shop"] * jobs.MOST_OUT
    with story.database.begin() as session:
        take_in(session, quiet, replace(new, key="more"), [Push(ref=MAIN, before=A, after=B)], channel="#deploys")
    _claim_all(story)
    assert "quiet" in _send(story)[:2]


def _send(story: Story) -> list[str]:
    """Hand what is due to the queue and return whose runs those are."""
    with story.database.begin() as session:
        due = jobs.due(session)
        jobs.sent(session, due)
        names = select(JobRow.id, ProjectRow.name).join(StageRow, StageRow.id == JobRow.ref_id).join(RunRow)
        known = dict(session.execute(names.join(ProjectRow).where(JobRow.kind == "stage")).all())
        return [known[one.id] for one in due if one.queue == "stages"]


def _claim_all(story: Story) -> None:
    """Have workers claim all that was handed out."""
    with story.database.begin() as session:
        waiting = (JobRow.kind == "stage") & JobRow.sent_at.is_not(None) & (JobRow.state == "queued")
        session.execute(update(JobRow).where(waiting).values(state="running", lease_until=9e12))
