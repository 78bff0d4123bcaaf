"""Publishing an image to another registry: asked by API and command, copied by a worker, shown."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from pipeline.errors import StageFailed, Unavailable
from pipeline.registries import Registry
from store import jobs
from store.schema import JobRow, PublicationRow
from store.session import Database
from tests import factories as make
from tests import fakes, serving
from tests.conftest import MOMENT
from workers.context import Context
from workers.handlers import HANDLERS
from workers.steps import run_job

THERE = Registry(address="hub.example.test/acme")
DIGEST = make.digest("web")


class Copies:
    """Copies that are remembered; `faults` are raised one after the other."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, str, str]] = []
        self.faults: list[Exception] = []

    def copy(
        self, name: str, digest: str, target: Registry, *, tag: str, line: Callable[[str], None], stop: object
    ) -> str:
        if self.faults:
            raise self.faults.pop(0)
        self.made.append((name, digest, target.address, tag))
        return f"{target.address}/shop/web"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setenv("SLIPWAY_PUBLISH__HUB__URL", f"https://{THERE.address}")
    return serving.app(tmp_path, at=MOMENT)


@pytest.fixture
def database(app: Flask, tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'slipway.db'}")
    with made.begin() as session:
        run = make.run(session, make.project(session))
        make.image(session, run, digest=DIGEST, tested=True)
        make.image(session, run, service="raw", digest=make.digest("raw"), tested=False)
    return made


@pytest.fixture
def copies() -> Copies:
    return Copies()


@pytest.fixture
def ctx(database: Database, tmp_path: Path, copies: Copies) -> Context:
    return dataclasses.replace(fakes.context(database, tmp_path), copies=copies, published={"hub": THERE})


def work(ctx: Context) -> PublicationRow:
    """Do the job of the newest publication, and return how it stands."""
    with ctx.database.read() as session:
        job = session.scalars(select(JobRow.id).where(JobRow.kind == jobs.JobKind.PUBLICATION)).one()
    run_job(ctx, HANDLERS, job, "tests")
    with ctx.database.read() as session:
        return session.scalars(select(PublicationRow).order_by(PublicationRow.id.desc())).first() or PublicationRow()


def ask(app: Flask, digest: str = DIGEST, **body: str) -> tuple[int, dict[str, str]]:
    answer = app.test_client().post(f"/api/v1/images/{digest}/publish", json=body)
    return answer.status_code, answer.json or {}


def test_an_image_is_published_under_its_digest_and_that_is_shown(app: Flask, ctx: Context, copies: Copies) -> None:
    status, said = ask(app, to="hub", tag="v1.1", **{"as": "ana@example.test"})
    assert (status, said["state"], said["registry"]) == (202, "queued", "hub")
    done = work(ctx)
    assert (done.state, done.actor) == ("published", "ana@example.test")
    assert copies.made == [(done.name, DIGEST, THERE.address, "v1.1")]
    shown = app.test_client().get(f"/api/v1/images/{DIGEST}").json or {}
    assert [(one["id"], one["reference"]) for one in shown["publications"]] == [
        (said["id"], f"{THERE.address}/shop/web@{DIGEST}")
    ]


def test_without_a_tag_an_image_keeps_its_revision(app: Flask, ctx: Context, copies: Copies) -> None:
    ask(app, to="hub")
    assert copies.made == [] and work(ctx).tag == make.revision("shop-60") == copies.made[0][3]


@pytest.mark.parametrize(
    ("digest", "body", "status", "code"),
    [
        (make.digest("raw"), {"to": "hub"}, 409, "not_tested"),
        (make.digest("nothing"), {"to": "hub"}, 404, "unknown_image"),
        (DIGEST, {"to": "hob"}, 404, "unknown_registry"),
        (DIGEST, {"to": "hub", "tag": "a b"}, 400, "bad_tag"),
    ],
)
def test_what_cannot_be_published_is_refused_at_once(
    app: Flask, database: Database, *, digest: str, body: dict[str, str], status: int, code: str
) -> None:
    answered, said = ask(app, digest, **body)
    assert (answered, said["code"]) == (status, code)
    with database.read() as session:
        assert session.scalars(select(PublicationRow)).all() == []


def test_a_registry_that_is_away_is_tried_again_and_the_image_published_once(
    app: Flask, ctx: Context, copies: Copies
) -> None:
    copies.faults = [Unavailable("hub is away", code="registry_unavailable")]
    ask(app, to="hub")
    assert work(ctx).state == "queued"
    with ctx.database.begin() as session:
        for row in session.scalars(select(JobRow)):
            row.not_before = 0
    assert work(ctx).state == "published" and work(ctx).state == "published"
    assert len(copies.made) == 1


def test_an_image_that_is_lost_cannot_be_published(app: Flask, ctx: Context, copies: Copies) -> None:
    copies.faults = [StageFailed("the registry no longer has it", code="image_lost")]
    ask(app, to="hub")
    done = work(ctx)
    assert (done.state, done.code, done.reason) == ("failed", "image_lost", "the registry no longer has it")


def test_a_registry_that_does_not_let_us_in_names_its_settings(app: Flask, ctx: Context, copies: Copies) -> None:
    known = dataclasses.replace(THERE, settings="SLIPWAY_PUBLISH__HUB")
    copies.faults = [known.forbidden("acme/shop/web")]
    ask(app, to="hub")
    done = work(ctx)
    assert (done.state, done.code) == ("error", "registry_unauthorized")
    assert "SLIPWAY_PUBLISH__HUB__USERNAME" in done.reason


def test_images_are_listed_by_service_and_revision(app: Flask, database: Database) -> None:
    asked = app.test_client().get(f"/api/v1/images?service=web&revision={make.revision('shop-60')[:9]}").json or {}
    assert [(one["service"], one["digest"], one["tested"]) for one in asked["items"]] == [("web", DIGEST, True)]
    assert json.dumps(asked).count("release_digest") == 1
