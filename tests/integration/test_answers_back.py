"""Git hosts are told the truth: always how it ended, never backwards, whatever they or we go through meanwhile."""

import base64
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import delete, select

from commands.hook_post import sign
from notify.status import HttpForges
from pipeline.deployment import DeploymentState
from pipeline.errors import Unavailable
from pipeline.forge_account import Account
from pipeline.forge_ports import Teller
from pipeline.project import Forge
from pipeline.reports import Status
from store import accounts, deployments, jobs, messages, reports, schema
from store.sealing import seal_of
from store.session import Database, now
from tests import factories as make
from tests import fakes, inbox_app
from tests.forge_rules import APP, INSTALLATION, REPOSITORY, SHA, TOKEN
from tests.forge_standin import (
    BROKEN,
    LOST,
    PASSING,
    SECONDARY,
    SILENT,
    WAIT,
    WELL,
    Fault,
    Standin,
    standin,
)
from workers import report
from workers.context import Context
from workers.handlers import HANDLERS
from workers.steps import run_job

FORGES = ("github", "gitlab", "gitea", "forgejo", "bitbucket", "bitbucket-server")
WEB = "https://slipway.example"
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
ENDS = {
    "github": {"passed": "success", "failed": "failure", "error": "error", "cancelled": "error", "skipped": "success"},
    "gitlab": {
        "passed": "success",
        "failed": "failed",
        "error": "failed",
        "cancelled": "canceled",
        "skipped": "success",
    },
    "gitea": {"passed": "success", "failed": "failure", "error": "error", "cancelled": "warning", "skipped": "success"},
}
ENDS["forgejo"] = ENDS["gitea"]
ENDS["bitbucket"] = {
    "passed": "SUCCESSFUL",
    "failed": "FAILED",
    "error": "FAILED",
    "cancelled": "STOPPED",
    "skipped": "SUCCESSFUL",
}
ENDS["bitbucket-server"] = ENDS["bitbucket"] | {"cancelled": "CANCELLED"}


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[Standin]:
    with standin(getattr(request, "param", "github")) as running:
        yield running


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    made = make.database(tmp_path)
    yield made
    made.dispose()


def context(database: Database, home: Path, **values: Any) -> Context:
    """Return a context that speaks to real servers with a real seal; nothing else is needed to tell a host."""
    forges = HttpForges(timeout=values.pop("timeout", 2), private_addresses=values.pop("private", True), pause=0.0)
    known = {"forges": forges, "seal": seal_of(home), "web_url": WEB, "home": "cafe0000", **values}
    return replace(fakes.context(database, home), **known)


def connect(ctx: Context, host: Standin, *, token: str = TOKEN, name: str = "shop", **values: Any) -> int:
    """Register a project whose host is the stand-in; return its number."""
    with ctx.database.begin() as session:
        project = session.scalar(select(schema.ProjectRow).where(schema.ProjectRow.name == name))
        project = project or make.project(session, name, forge=host.forge)
        give_token(ctx, session, host, project, token, **values)
        return project.id


def give_token(ctx: Context, session: Any, host: Standin, project: Any, token: str, **values: Any) -> None:
    known = {"repository": REPOSITORY.get(host.forge, "acme/shop"), "api_url": host.url, **values}
    account = Account(forge=Forge(host.forge), **known)
    sealed = ctx.seal.close(token, owner=accounts.owner(project.name, account))
    accounts.put(session, project.id, account, sealed)
    reports.again(session, project.id, at=make.NOW)


def push(
    ctx: Context, project: int, state: str = "running", stages: dict[str, str] | None = None, **values: Any
) -> int:
    """Make a run of the commit the hosts know, and say that it was made."""
    known = {"revision": SHA, "key": f"k{time.monotonic_ns()}", **values}
    with ctx.database.begin() as session:
        row = make.run(session, session.get_one(schema.ProjectRow, project), stages or {}, state=state, **known)
        messages.touch(session, "run", row.id, channel="#deploys", at=make.NOW)
        return row.id


def change(ctx: Context, run: int, state: str, stages: dict[str, str] | None = None, reason: str = "") -> None:
    with ctx.database.begin() as session:
        row = session.get_one(schema.RunRow, run)
        row.state, row.reason = state, reason
        for name, word in (stages or {}).items():
            mine = (schema.StageRow.run_id == run) & (schema.StageRow.name == name)
            session.scalars(select(schema.StageRow).where(mine)).one().state = word
        messages.touch(session, "run", run, channel="#deploys", at=make.NOW)


def due(database: Database) -> list[int]:
    """Make every report that waits due now, and return their jobs."""
    with database.begin() as session:
        waiting = (schema.JobRow.kind == "report") & (schema.JobRow.state == "queued")
        rows = session.scalars(select(schema.JobRow).where(waiting).order_by(schema.JobRow.id)).all()
        for row in rows:
            row.not_before = 0.0
        for account in session.scalars(select(schema.ForgeAccountRow)):
            account.rest_until = 0.0
        return [row.id for row in rows]


def work(ctx: Context, rounds: int = 1) -> int:
    """Do what is due, so many times over as if the time between had passed; return how many rounds there was work."""
    for number in range(rounds):
        waiting = due(ctx.database)
        if not waiting:
            return number
        for job in waiting:
            run_job(ctx, HANDLERS, job, "test")
    return rounds


def job(database: Database) -> schema.JobRow:
    with database.read() as session:
        return session.scalars(select(schema.JobRow).where(schema.JobRow.kind == "report")).one()


def row(database: Database) -> schema.ReportRow:
    with database.read() as session:
        return session.scalars(select(schema.ReportRow)).one()


def held(ctx: Context, project: int) -> accounts.Held:
    with ctx.database.read() as session:
        found = accounts.find(session, project)
    assert found is not None
    return found


def rest_of(ctx: Context) -> float:
    """Return for how many seconds the only job has been put back."""
    with ctx.database.read() as session:
        left = session.scalar(select(schema.JobRow.not_before - now()).where(schema.JobRow.kind == "report"))
    return round(left or 0.0)


# --- what arrives


@pytest.mark.parametrize("host", FORGES, indirect=True)
@pytest.mark.parametrize("end", ["passed", "failed", "error", "cancelled", "skipped"])
def test_every_host_shows_how_a_run_ended(host: Standin, sqlite: Database, tmp_path: Path, end: str) -> None:
    ctx = context(sqlite, tmp_path)
    run = push(ctx, connect(ctx, host), stages={"build": "running"})
    work(ctx)
    change(ctx, run, end, {"build": "passed" if end == "skipped" else end})
    work(ctx)
    assert host.host.shown()["slipway"] == ENDS[host.forge][end]
    assert host.host.shown()["slipway/build"] == ENDS[host.forge]["passed" if end == "skipped" else end]
    assert host.host.board[SHA, "slipway"].get("target_url", WEB + f"/runs/r{run}") == f"{WEB}/runs/r{run}"
    assert row(sqlite).error == "" and work(ctx) == 0


def test_the_outbox_works_on_every_database(host: Standin, database: Database, tmp_path: Path) -> None:
    ctx = context(database, tmp_path)
    run = push(ctx, connect(ctx, host), stages={"build": "running"})
    host.fail(BROKEN, WAIT)
    work(ctx, 3)
    change(ctx, run, "passed", {"build": "passed"})
    work(ctx)
    assert host.host.shown() == {"slipway": "success", "slipway/build": "success"}
    assert (job(database).state, row(database).done) == ("done", row(database).version)


def test_a_status_is_the_run_in_a_sentence_and_leads_to_its_page(
    host: Standin, sqlite: Database, tmp_path: Path
) -> None:
    ctx = context(sqlite, tmp_path)
    run = push(ctx, connect(ctx, host), "failed", reason="x" * 300)
    work(ctx)
    told = host.host.board[SHA, "slipway"]
    assert told["description"].startswith("r1 failed in the run: xxx") and len(told["description"]) == 140
    assert told["target_url"] == f"{WEB}/runs/r{run}"


def test_a_project_without_an_account_is_not_told_of(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    with sqlite.begin() as session:
        project = make.project(session).id
    push(ctx, project, "passed")
    with sqlite.read() as session:
        assert session.scalars(select(schema.ReportRow)).all() == []
    assert work(ctx) == 0 and host.calls == []


def test_runs_made_in_bulk_are_told_of_as_one_is(host: Standin, database: Database, tmp_path: Path) -> None:
    ctx = context(database, tmp_path)
    project = connect(ctx, host)
    host.host.commits |= {f"{number:040x}" for number in range(5)}
    with database.begin() as session:
        owner = session.get_one(schema.ProjectRow, project)
        runs = [make.run(session, owner, key=f"k{one}", revision=f"{one % 5:040x}", state="passed") for one in range(9)]
        reports.touch_many(session, [run.id for run in runs], at=make.NOW)
        reports.touch_many(session, [], at=make.NOW)
    work(ctx)
    assert sorted(sha for sha, _ in host.host.board) == [f"{one:040x}" for one in range(5)]


def test_a_push_that_comes_in_is_told_of_and_so_is_the_run_it_replaces(
    host: Standin, database: Database, tmp_path: Path
) -> None:
    ctx = context(database, tmp_path)
    with database.begin() as session:
        make.project(session, "shop", url="/srv/shop.git", forge="github", secret=SECRET)
    connect(ctx, host)
    client = inbox_app.make(database).test_client()
    before = "0" * 40
    for number, sha in enumerate((SHA, "b" * 40)):
        host.host.commits.add(sha)
        change = {"ref": "refs/heads/main", "before": before, "after": sha, "message": "m", "author": "a"}
        body = json.dumps({"repository": "/srv/shop.git", "changes": [change]}).encode()
        headers = sign(SECRET, f"d-{number}", int(time.time()), body) | {"Content-Type": "application/json"}
        answer = client.post("/hooks/git/shop", data=body, headers=headers)
        assert answer.status_code == 202, answer.json
        before = sha
    work(ctx)
    assert host.host.shown(SHA)["slipway"] == "error" and host.host.shown("b" * 40)["slipway"] == "pending"
    assert "superseded" in host.host.board[SHA, "slipway"]["description"]


def test_a_tags_run_is_told_of_once_its_commit_is_known(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    run = push(ctx, connect(ctx, host), "queued", ref="refs/tags/v1", revision="b" * 40)
    assert work(ctx) == 0
    with sqlite.begin() as session:
        found = session.get_one(schema.RunRow, run)
        found.revision, found.config = SHA, {"version": 1}
    change(ctx, run, "running")
    work(ctx)
    assert list(host.host.board) == [(SHA, "slipway")]


# --- how many calls, and in which order


def test_twenty_quick_changes_are_few_calls(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    run = push(ctx, connect(ctx, host), "queued", {"build": "queued"})
    for number in range(20):
        change(ctx, run, "running", reason=f"change {number}")
    change(ctx, run, "passed", {"build": "passed"})
    work(ctx)
    assert len(host.calls) == 2
    assert host.host.shown() == {"slipway": "success", "slipway/build": "success"}


def test_between_two_rounds_there_is_a_pause_in_which_changes_gather(
    host: Standin, sqlite: Database, tmp_path: Path
) -> None:
    ctx = context(sqlite, tmp_path)
    ctx = replace(ctx, forges=HttpForges(timeout=2, private_addresses=True, pause=30.0))
    run = push(ctx, connect(ctx, host), "queued")
    work(ctx)
    change(ctx, run, "passed")
    assert 25 <= rest_of(ctx) <= 30


def test_what_the_host_knows_is_never_told_twice(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    run = push(ctx, connect(ctx, host), "passed")
    work(ctx)
    for _ in range(3):
        change(ctx, run, "passed")
        work(ctx)
    assert len(host.calls) == 1


def test_what_changes_while_the_host_is_told_is_told_as_it_stands_then(
    host: Standin, sqlite: Database, tmp_path: Path
) -> None:
    ctx = context(sqlite, tmp_path)
    run = push(ctx, connect(ctx, host), "running", {"build": "running"})

    def meanwhile(teller: Teller) -> None:
        change(ctx, run, "passed", {"build": "passed"})

    work(interrupted(ctx, meanwhile))
    assert host.host.taken == [("slipway", "pending"), ("slipway", "success"), ("slipway/build", "success")]
    assert work(ctx) <= 1 and len(host.calls) == 3


def interrupted(ctx: Context, meanwhile: Callable[[Teller], None], *, after: int = 1) -> Context:
    """Return a context in which something happens right after the host has taken its first status."""

    class Interrupting:
        pause = 0.0
        calls = 0

        def teller(self, account: Account, secret: str) -> Teller:
            real = ctx.forges.teller(account, secret)
            outer = self

            class Telling:
                def tell(self, revision: str, status: Status, *, ref: str) -> None:
                    real.tell(revision, status, ref=ref)
                    outer.calls += 1
                    if outer.calls == after:
                        meanwhile(real)

                def __getattr__(self, name: str) -> Any:
                    return getattr(real, name)

            return Telling()

        def session(self, account: Account, key: str) -> tuple[str, datetime]:
            return ctx.forges.session(account, key)

    return replace(ctx, forges=Interrupting())


FAULTS = some.lists(some.sampled_from(PASSING), max_size=4)
MOVES = some.lists(some.sampled_from(["running", "queued", "waiting"]), max_size=3)


@pytest.mark.parametrize("host", ["github", "gitlab"], indirect=True)
@given(
    script=some.lists(some.tuples(MOVES, FAULTS), min_size=1, max_size=3), end=some.sampled_from(["passed", "failed"])
)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_end_always_arrives_and_nothing_comes_after_it(
    host: Standin, sqlite: Database, tmp_path: Path, script: list[tuple[list[str], list[Fault]]], end: str
) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host)
    wipe(ctx, host)
    run = push(ctx, project, "queued", {"build": "queued"})
    for moves, faults in script:
        for move in moves:
            change(ctx, run, move, {"build": "running" if move == "running" else "queued"})
        host.fail(*faults)
        work(ctx)
    change(ctx, run, end, {"build": end})
    work(ctx, 40)
    over = ENDS[host.forge][end]
    assert host.host.shown() == {"slipway": over, "slipway/build": over}
    assert not host.faults and row(sqlite).error == "" and not held(ctx, project).fault
    for context_name in ("slipway", "slipway/build"):
        states = [state for name, state in host.host.taken if name == context_name]
        assert over not in states[: states.index(over)] and set(states[states.index(over) :]) == {over}


def wipe(ctx: Context, host: Standin) -> None:
    with ctx.database.begin() as session:
        for table in (schema.ReportRow, schema.JobRow, schema.StageRow, schema.MessageRow, schema.RunRow):
            session.execute(delete(table))
    host.host.board.clear()
    host.host.taken.clear()
    host.faults.clear()


# --- faults


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_costs_one_call_and_a_wait(
    host: Standin, sqlite: Database, tmp_path: Path, fault: Fault
) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host)
    push(ctx, project, "passed")
    host.fail(fault)
    work(ctx)
    assert job(sqlite).state == "queued" and rest_of(ctx) > 0
    assert row(sqlite).error and held(ctx, project).fault and not held(ctx, project).broken
    work(ctx)
    assert host.host.shown() == {"slipway": "success"} and len(host.calls) == 2
    assert row(sqlite).error == "" and held(ctx, project).fault == ""


def test_a_host_that_hangs_is_given_up_after_its_time(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path, timeout=0.1)
    project = connect(ctx, host)
    push(ctx, project, "passed")
    host.fail(SILENT)
    work(ctx)
    assert held(ctx, project).code == "forge_unreachable" and held(ctx, project).rest > 0
    assert job(sqlite).state == "queued"


def test_a_host_that_does_not_answer_is_left_alone_by_all_its_reports(
    host: Standin, sqlite: Database, tmp_path: Path
) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host)
    host.host.commits.add("b" * 40)
    push(ctx, project, "passed")
    push(ctx, project, "passed", revision="b" * 40)
    host.fail(Fault(cut=True))
    for one in due(sqlite):
        run_job(ctx, HANDLERS, one, "test")
    assert len(host.calls) == 1
    work(ctx)
    assert len(host.host.board) == 2


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (WAIT, 7),
        (SECONDARY, 60),
        (Fault(status=403, headers=(("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "{soon}"))), 90),
        (Fault(status=429, headers=(("RateLimit-Reset", "{soon}"),)), 90),
        (Fault(status=429, headers=(("Retry-After", "{date}"),)), 90),
        (Fault(status=429, headers=(("Retry-After", "soon"),)), 60),
        (Fault(status=429, headers=(("Retry-After", "999999"),)), 7200),
        (Fault(status=503, headers=(("Retry-After", "5"),)), 5),
    ],
)
def test_a_host_is_left_alone_for_as_long_as_it_asks(
    host: Standin, sqlite: Database, tmp_path: Path, fault: Fault, seconds: int
) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host)
    push(ctx, project, "passed")
    soon = datetime.now(UTC) + timedelta(seconds=90)
    words = {"soon": str(int(soon.timestamp())), "date": soon.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    host.fail(replace(fault, headers=tuple((name, value.format(**words)) for name, value in fault.headers)))
    work(ctx)
    assert held(ctx, project).code == "forge_rate_limited"
    assert seconds - 5 <= rest_of(ctx) <= seconds and seconds - 5 <= held(ctx, project).rest <= seconds
    assert job(sqlite).attempt == 0


def test_what_was_tried_for_a_day_stays_as_an_error_and_a_new_state_is_tried_again(
    host: Standin, sqlite: Database, tmp_path: Path
) -> None:
    ctx = context(sqlite, tmp_path)
    run = push(ctx, connect(ctx, host), "running")
    with sqlite.begin() as session:
        session.scalars(select(schema.JobRow).where(schema.JobRow.kind == "report")).one().attempt = report.ATTEMPTS - 1
    host.fail(BROKEN)
    work(ctx)
    assert job(sqlite).state == "done" and "answers 500" in row(sqlite).error
    change(ctx, run, "passed")
    work(ctx)
    assert host.host.shown() == {"slipway": "success"} and row(sqlite).error == ""


def test_the_attempts_last_a_day() -> None:
    waits = [report.BACK_OFF[min(number, len(report.BACK_OFF)) - 1] for number in range(1, report.ATTEMPTS)]
    assert 0.95 < sum(waits) / 86_400 < 1.05


@pytest.mark.parametrize("host", FORGES, indirect=True)
def test_a_commit_that_the_host_does_not_know_is_asked_about_once(
    host: Standin, sqlite: Database, tmp_path: Path
) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host)
    push(ctx, project, "passed", {"build": "passed"}, revision="c" * 40)
    work(ctx, 3)
    assert len(host.calls) == 1 and job(sqlite).state == "done"
    assert row(sqlite).code == "forge_refused" and row(sqlite).error and not held(ctx, project).broken


def test_a_refused_stage_does_not_keep_the_others_from_being_told(
    host: Standin, sqlite: Database, tmp_path: Path
) -> None:
    ctx = context(sqlite, tmp_path)
    push(ctx, connect(ctx, host), "passed", {"build": "passed", "unit": "passed"})
    host.fail(WELL, Fault(status=422))
    work(ctx, 3)
    assert set(host.host.shown()) == {"slipway", "slipway/unit"}
    assert "422" in row(sqlite).error and job(sqlite).state == "done"


@pytest.mark.parametrize("after", [1, 2])
def test_a_process_killed_between_the_hosts_answer_and_our_commit_leaves_the_host_right(
    host: Standin, sqlite: Database, tmp_path: Path, after: int
) -> None:
    ctx = context(sqlite, tmp_path)
    run = push(ctx, connect(ctx, host), "running", {"build": "running"})
    work(ctx)
    change(ctx, run, "passed", {"build": "passed"})
    in_child(lambda: work(interrupted(ctx, lambda _teller: os.kill(os.getpid(), signal.SIGKILL), after=after)), ctx)
    assert ("slipway", "success") in host.host.taken
    # The run is tried again: what the host was told last is open, so it is told whatever we believe it knows.
    change(ctx, run, "running", {"build": "running"})
    lapse(sqlite)
    work(ctx)
    assert host.host.shown() == {"slipway": "pending", "slipway/build": "pending"}
    change(ctx, run, "passed", {"build": "passed"})
    work(ctx)
    assert host.host.shown() == {"slipway": "success", "slipway/build": "success"}


def in_child(work: Callable[[], object], ctx: Context) -> None:
    """Do something in a forked process, as the workers do, which must die by SIGKILL."""
    ctx.database.dispose()
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def lapse(database: Database) -> None:
    """Let the leases of the dead run out."""
    with database.begin() as session:
        for one in session.scalars(select(schema.JobRow).where(schema.JobRow.state == "running")):
            one.lease_until = 0.0
        session.flush()
        jobs.reap(session)


# --- accounts


@pytest.mark.parametrize("host", FORGES, indirect=True)
def test_a_token_that_is_not_taken_stops_everything_until_there_is_a_new_one(
    host: Standin, sqlite: Database, tmp_path: Path
) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host, token="old")
    run = push(ctx, project, "running")
    work(ctx)
    change(ctx, run, "passed")
    assert work(ctx) == 0 and len(host.calls) == 1
    assert held(ctx, project).broken and "does not take the token" in held(ctx, project).fault
    connect(ctx, host)
    work(ctx)
    assert not held(ctx, project).broken and host.host.shown()["slipway"] == ENDS[host.forge]["passed"]


def test_a_token_given_while_the_old_one_is_refused_is_not_called_broken(
    host: Standin, sqlite: Database, tmp_path: Path
) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host, token="old")
    push(ctx, project, "passed")
    old = held(ctx, project)
    connect(ctx, host)
    with sqlite.begin() as session:
        accounts.broke(session, old, Unavailable("late news"))
    assert not held(ctx, project).broken


def test_a_redirect_is_never_followed_with_the_token(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host)
    push(ctx, project, "passed")
    with standin("github") as elsewhere:
        host.fail(Fault(status=307, headers=(("Location", f"{elsewhere.url}/steal"),)))
        work(ctx)
        assert elsewhere.calls == []
    assert held(ctx, project).broken and held(ctx, project).code == "forge_redirects"


def test_an_inner_address_is_refused_where_it_is_not_allowed(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path, private=False)
    project = connect(ctx, host)
    push(ctx, project, "passed")
    work(ctx)
    assert held(ctx, project).code == "private_address" and host.calls == []


@pytest.mark.parametrize("address", ["http://169.254.169.254", "http://[fe80::1]", "http://[::ffff:169.254.169.254]"])
def test_a_link_local_address_is_never_spoken_to(host: Standin, sqlite: Database, tmp_path: Path, address: str) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host, api_url=address)
    push(ctx, project, "passed")
    work(ctx)
    assert held(ctx, project).code == "private_address"


def test_a_name_that_is_not_known_is_an_outage_and_no_refusal(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host, api_url="https://git.invalid")
    push(ctx, project, "passed")
    work(ctx)
    assert held(ctx, project).code == "forge_unreachable" and not held(ctx, project).broken


def test_a_token_sealed_elsewhere_is_said_to_be(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host)
    push(ctx, project, "passed")
    (tmp_path / "other").mkdir()
    work(replace(ctx, seal=seal_of(tmp_path / "other")))
    assert held(ctx, project).code == "wrong_key" and host.calls == []


def test_no_word_of_an_error_repeats_the_token(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    push(ctx, connect(ctx, host), "passed")
    host.fail(Fault(status=422, page=f'{{"message": "unknown token {TOKEN}"}}'))
    work(ctx)
    assert TOKEN not in row(sqlite).error and "***" in row(sqlite).error


def test_a_token_is_nowhere_in_the_database_in_clear(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    push(ctx, connect(ctx, host), "passed")
    work(ctx)
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert any(path.name.startswith("slipway.db") for path in files)
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []


def test_without_an_account_what_was_asked_for_is_dropped(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host)
    push(ctx, project, "passed")
    with sqlite.begin() as session:
        assert accounts.remove(session, project) and not accounts.remove(session, project)
    work(ctx)
    assert job(sqlite).state == "done" and host.calls == []


# --- hosts' ways


@pytest.mark.parametrize("host", ["gitlab"], indirect=True)
def test_what_gitlab_shows_already_is_done(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    run = push(ctx, connect(ctx, host), "queued")
    work(ctx)
    change(ctx, run, "queued", reason="the engine went away")
    work(ctx)
    change(ctx, run, "running")
    host.fail(LOST)
    work(ctx, 2)
    assert host.host.taken == [("slipway", "pending"), ("slipway", "running")]
    assert row(sqlite).error == "" and job(sqlite).state == "done"
    assert host.host.board[SHA, "slipway"]["ref"] == "main"


@pytest.mark.parametrize("host", ["gitlab"], indirect=True)
@pytest.mark.parametrize("old", [True, False])
def test_skipped_is_a_success_where_gitlab_cannot_say_it(
    host: Standin, sqlite: Database, tmp_path: Path, old: bool
) -> None:
    ctx = context(sqlite, tmp_path)
    host.host.old = old
    run = push(ctx, connect(ctx, host), "queued" if old else "running")
    if not old:
        work(ctx)
    change(ctx, run, "skipped")
    work(ctx)
    assert host.host.shown() == {"slipway": "success"}


@pytest.mark.parametrize("host", ["gitlab"], indirect=True)
def test_skipped_from_the_start_is_skipped_at_gitlab(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    push(ctx, connect(ctx, host), "skipped")
    work(ctx)
    assert host.host.shown() == {"slipway": "skipped"}


@pytest.mark.parametrize("host", ["bitbucket-server"], indirect=True)
def test_an_older_data_center_shows_a_cancelled_run_as_failed(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    host.host.old = True
    push(ctx, connect(ctx, host), "cancelled")
    work(ctx)
    assert host.host.shown() == {"slipway": "FAILED"}


@pytest.mark.parametrize("host", ["bitbucket"], indirect=True)
def test_bitbucket_takes_a_user_with_the_token_and_keys_of_forty_characters(
    host: Standin, sqlite: Database, tmp_path: Path
) -> None:
    ctx = context(sqlite, tmp_path)
    long = "integration-tests-of-everything-there-is"
    push(ctx, connect(ctx, host, user="ana@example.com"), "passed", {long: "passed", f"{long}2": "passed"})
    work(ctx)
    assert len(host.host.shown()) == 3 and all(len(key) <= 40 for key in host.host.shown())


@pytest.mark.parametrize("host", ["bitbucket"], indirect=True)
def test_bitbucket_wants_a_page_that_the_world_can_reach(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path, web_url="http://localhost:8070")
    push(ctx, connect(ctx, host), "passed")
    work(ctx)
    assert "SLIPWAY_WEB__PUBLIC_URL" in row(sqlite).error


# --- GitHub: deployments and Apps


def deploy(ctx: Context, project: int, name: str = "staging") -> int:
    with ctx.database.begin() as session:
        place = session.scalar(select(schema.EnvironmentRow).where(schema.EnvironmentRow.project_id == project))
        owner = session.get_one(schema.ProjectRow, project)
        place = place or make.environment(session, owner, name)
        made = make.deployment(session, place, {"web": SHA, "api": SHA}, live=False, state="queued", reason="")
        reports.touch_deployment(session, made.id, at=make.NOW)
        return made.id


def serve(ctx: Context, deployment: int) -> None:
    with ctx.database.begin() as session:
        one = session.get_one(schema.DeploymentRow, deployment)
        session.get_one(schema.EnvironmentRow, one.environment_id).live_deployment_id = deployment
        deployments.end(session, deployment, DeploymentState.DEPLOYED, at=make.NOW)


def test_a_deployment_is_told_from_its_queue_to_its_replacement(
    host: Standin, database: Database, tmp_path: Path
) -> None:
    ctx = context(database, tmp_path)
    project = connect(ctx, host)
    first = deploy(ctx, project)
    work(ctx)
    with database.begin() as session:
        deployments.step(session, first, "start", "starting", at=make.NOW)
    work(ctx)
    serve(ctx, first)
    work(ctx)
    second = deploy(ctx, project)
    serve(ctx, second)
    work(ctx)
    one, two = host.host.deployments
    assert one["states"] == ["queued", "in_progress", "success", "inactive"] and two["states"] == ["success"]
    assert (one["environment"], one["payload"]) == ("staging", {"slipway": "cafe0000-d1"})
    assert two["last"]["environment_url"].startswith("http://web.staging.shop.slipway.localhost")
    assert two["last"]["log_url"] == f"{WEB}/deployments/d{second}" and two["last"]["auto_inactive"] is False


def test_a_deployment_whose_making_was_lost_is_found_again_and_not_made_twice(
    host: Standin, sqlite: Database, tmp_path: Path
) -> None:
    ctx = context(sqlite, tmp_path)
    serve(ctx, deploy(ctx, connect(ctx, host)))
    host.fail(LOST)
    work(ctx, 3)
    assert [one["states"] for one in host.host.deployments] == [["success"]]


def test_a_token_that_may_not_deploy_still_tells_of_runs(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    project = connect(ctx, host)
    deploy(ctx, project)
    host.fail(Fault(status=403, page='{"message": "Resource not accessible by personal access token"}'))
    work(ctx, 2)
    assert not held(ctx, project).broken and "not accessible" in row(sqlite).error
    push(ctx, project, "passed")
    work(ctx)
    assert host.host.shown() == {"slipway": "success"}


def test_other_hosts_are_not_told_of_deployments(sqlite: Database, tmp_path: Path) -> None:
    with standin("gitea") as host:
        ctx = context(sqlite, tmp_path)
        deploy(ctx, connect(ctx, host))
        assert work(ctx) == 0


@pytest.fixture(scope="module")
def app_key() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.TraditionalOpenSSL, forms.NoEncryption())
    public = key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def install(ctx: Context, host: Standin, app_key: tuple[str, str], **values: Any) -> int:
    host.host.public_key, host.host.token = app_key[1], "none yet"
    known = {"app_id": APP, "installation_id": INSTALLATION, **values}
    return connect(ctx, host, token=app_key[0], **known)


def test_an_app_buys_one_token_and_uses_it_until_it_runs_out(
    host: Standin, sqlite: Database, tmp_path: Path, app_key: tuple[str, str]
) -> None:
    ctx = context(sqlite, tmp_path, now=lambda: datetime.now(UTC))
    run = push(ctx, install(ctx, host, app_key), "running")
    work(ctx)
    change(ctx, run, "passed")
    work(ctx)
    assert host.host.sessions == 1 and host.host.shown() == {"slipway": "success"}
    later = replace(ctx, now=lambda: datetime.now(UTC) + timedelta(minutes=59, seconds=30))
    change(ctx, run, "failed")
    work(later)
    assert host.host.sessions == 2 and host.host.shown() == {"slipway": "failure"}


def test_an_apps_token_that_was_taken_back_is_bought_anew_once(
    host: Standin, sqlite: Database, tmp_path: Path, app_key: tuple[str, str]
) -> None:
    ctx = context(sqlite, tmp_path, now=lambda: datetime.now(UTC))
    project = install(ctx, host, app_key)
    run = push(ctx, project, "running")
    work(ctx)
    host.host.token = "taken back"
    change(ctx, run, "passed")
    work(ctx)
    assert host.host.sessions == 2 and host.host.shown() == {"slipway": "success"}
    assert not held(ctx, project).broken


@pytest.mark.parametrize(
    "wrong",
    [
        ({"installation_id": 78}, "forge_unauthorized"),
        ({"app_id": 12}, "forge_unauthorized"),
        ({"repository": "acme/other"}, "forge_no_installation"),
    ],
)
def test_an_app_that_github_does_not_know_is_said_to_be(
    host: Standin, sqlite: Database, tmp_path: Path, app_key: tuple[str, str], wrong: tuple[dict[str, Any], str]
) -> None:
    ctx = context(sqlite, tmp_path)
    project = install(ctx, host, app_key, **wrong[0])
    push(ctx, project, "passed")
    work(ctx)
    assert held(ctx, project).broken and held(ctx, project).code == wrong[1]


def test_an_apps_key_that_is_no_key_is_said_to_be(host: Standin, sqlite: Database, tmp_path: Path) -> None:
    ctx = context(sqlite, tmp_path)
    project = install(ctx, host, ("not a key", ""))
    push(ctx, project, "passed")
    work(ctx)
    assert held(ctx, project).code == "bad_key" and host.calls == []
