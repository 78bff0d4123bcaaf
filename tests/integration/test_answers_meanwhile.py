"""What changes while a git host is being told is told as well, whatever the host makes of what came before."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from notify.forge_faults import Refused
from pipeline.deployment import DeploymentState
from pipeline.errors import Unavailable
from pipeline.forge_account import Account
from pipeline.forge_ports import Teller
from pipeline.reports import Status
from store import deployments, schema
from store.session import Database
from tests import factories as make
from tests.forge_standin import LOST, Standin, standin
from tests.integration.test_answers_back import change, connect, context, deploy, job, push, row, work
from workers import report
from workers.context import Context


@pytest.fixture
def host() -> Iterator[Standin]:
    with standin("github") as running:
        yield running


def failing(ctx: Context, fault: Exception, meanwhile: Callable[[], None]) -> Context:
    """Return a context in which the first status fails like this, and something happens before that is known."""
    left = [fault]

    class Failing:
        pause = 0.0

        def teller(self, account: Account, secret: str) -> Teller:
            real = ctx.forges.teller(account, secret)

            class Telling:
                def tell(self, revision: str, status: Status, *, ref: str) -> None:
                    if left:
                        meanwhile()
                        raise left.pop()
                    real.tell(revision, status, ref=ref)

                def __getattr__(self, name: str) -> object:
                    return getattr(real, name)

            return Telling()  # type: ignore[return-value]

        def __getattr__(self, name: str) -> object:
            return getattr(ctx.forges, name)

    return replace(ctx, forges=Failing())  # type: ignore[arg-type]


def test_how_a_run_ended_arrives_although_what_came_before_was_refused(
    host: Standin, database: Database, tmp_path: Path
) -> None:
    ctx = context(database, tmp_path)
    run = push(ctx, connect(ctx, host), "queued")
    work(failing(ctx, Refused("no such commit yet"), lambda: change(ctx, run, "passed")))
    assert host.host.shown() == {"slipway": "success"}
    assert row(database).done == row(database).version and row(database).error == ""


def test_what_is_refused_and_has_not_changed_is_asked_once(host: Standin, database: Database, tmp_path: Path) -> None:
    ctx = context(database, tmp_path)
    push(ctx, connect(ctx, host), "passed", {"build": "passed"})
    work(failing(ctx, Refused("no such commit"), lambda: None), 3)
    assert host.host.shown() == {} and job(database).state == "done"
    assert row(database).error == "no such commit"


@pytest.mark.parametrize("moved", [True, False])
def test_what_changes_while_the_last_try_fails_is_tried_anew(
    host: Standin, database: Database, tmp_path: Path, moved: bool
) -> None:
    ctx = context(database, tmp_path)
    run = push(ctx, connect(ctx, host), "queued")
    with database.begin() as session:
        session.scalars(select(schema.JobRow).where(schema.JobRow.kind == "report")).one().attempt = report.ATTEMPTS - 1
    ctx = failing(ctx, Unavailable("down", code="x"), lambda: change(ctx, run, "passed") if moved else None)
    work(ctx)
    assert (job(database).state, row(database).error) == ("queued" if moved else "done", "down")
    work(ctx)
    assert host.host.shown() == ({"slipway": "success"} if moved else {})


def test_a_deployment_that_was_made_and_overtaken_before_we_knew_does_not_stay_without_a_status(
    host: Standin, database: Database, tmp_path: Path
) -> None:
    ctx = context(database, tmp_path)
    made = deploy(ctx, connect(ctx, host))
    host.fail(LOST)
    work(ctx)
    with database.begin() as session:
        deployments.end(session, made, DeploymentState.SUPERSEDED, at=make.NOW)
    work(ctx, 2)
    assert [one["states"] for one in host.host.deployments] == [["inactive"]]


def test_a_tags_run_that_ends_before_its_commit_is_known_is_not_told_of(
    host: Standin, database: Database, tmp_path: Path
) -> None:
    ctx = context(database, tmp_path)
    run = push(ctx, connect(ctx, host), "queued", ref="refs/tags/v1", revision="e" * 40)
    change(ctx, run, "superseded")
    with database.read() as session:
        assert session.scalars(select(schema.ReportRow)).all() == []
    assert work(ctx) == 0 and host.calls == []
