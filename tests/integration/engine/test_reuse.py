"""Many services in one repository: real git, engine and registry. Only what changed is built."""

import dataclasses
from pathlib import Path

import pytest
from sqlalchemy import func, select

from pipeline import spec as spec_file
from pipeline.containers import Limits
from pipeline.outcome import passed
from pipeline.plan import plan_stages
from pipeline.project import Forge, Project
from pipeline.push import HEADS, Push
from runtime.engine import DockerEngine
from runtime.registry import HttpRegistry
from runtime.source import GitSource
from store import images, jobs, projects, runs
from store.schema import ImageRow, JobRow, RunRow, StageRow
from tests import factories, fakes
from tests.conftest import MOMENT
from tests.repositories import Repository
from workers.commit_files import CommitFiles
from workers.handlers import HANDLERS
from workers.steps import run_job

YML = """services:
  web: {build: {context: web}, paths: ["web/**", "lib/**"], paths_ignore: ["**/*.md"]}
  api: {build: {context: api}, paths: ["api/**"]}
  any: {build: {context: any}}
"""


class Shop:
    """A repository of three services, and a worker that builds what is pushed to it."""

    def __init__(self, home: Path, engine: DockerEngine, registry: str, label: str) -> None:
        self.database = factories.database(home)
        self.registry = HttpRegistry(registry)
        self.ctx = dataclasses.replace(
            fakes.context(self.database, home),
            source=GitSource(home / "git", local_paths=True),
            engine=engine,
            registry=self.registry,
            registry_address=registry,
            build_limits=Limits(seconds=60, silence=30),
            home=label,
        )
        self.engine = engine
        self.repository = Repository.make(home / "shop.git")
        # A name of its own, for the registry is shared by all tests and remembers.
        asked = Project(id=0, name=_name(home), url=self.repository.url, forge=Forge.GIT, secret="s")
        with self.database.begin() as session:
            self.project = projects.add(session, asked, at=MOMENT)
        self.files = {"slipway.yml": YML.encode()}
        for name in ("web", "api", "any"):
            self.files[f"{name}/Dockerfile"] = b"FROM scratch\nCOPY . /\n"
            self.files[f"{name}/file"] = name.encode()

    def commit(self, changes: dict[str, str], parent: str | None = None, branch: str = "main") -> str:
        self.files |= {path: text.encode() for path, text in changes.items()}
        return self.repository.commit(self.files, parent=parent, ref=f"{HEADS}{branch}")

    def build(self, revision: str, branch: str = "main") -> dict[str, str]:
        """Build a commit and return what the stage says of each service."""
        ref = f"{HEADS}{branch}"
        self.ctx.source.tip(self.project.name, self.project.url, ref)
        files = CommitFiles(self.ctx.source, self.project.name, revision)
        spec = spec_file.load(files, project=self.project.name)
        with self.database.begin() as session:
            push = Push(ref=ref, before="", after=revision)
            again = str(session.scalar(select(func.count(RunRow.id))))
            run, _ = runs.create(session, self.project, push, trigger="push", at=MOMENT, asked=runs.Asked(again=again))
            words = {"message": "m", "author": "a"}
            runs.describe(session, run, revision=revision, config=spec_file.to_json(spec), **words)
            runs.plan(session, run, plan_stages(spec, branch=branch, tag=None))
            stages = {row.name: row.id for row in session.scalars(select(StageRow).where(StageRow.run_id == run))}
            runs.end(session, stages["source"], passed(), at=MOMENT)
            mine = (JobRow.kind == jobs.JobKind.STAGE) & (JobRow.ref_id == stages["build"])
            job = session.scalars(select(JobRow.id).where(mine)).one()
        run_job(self.ctx, HANDLERS, job, "tests")
        with self.database.read() as session:
            done = session.get_one(StageRow, stages["build"])
            assert done.state == "passed", done.reason
            return dict(part.split(" ", 1) for part in done.reason.split(", "))

    def digests(self, revision: str) -> dict[str, str]:
        with self.database.read() as session:
            return {one.service: one.digest for one in images.of_revision(session, self.project.id, revision)}


def _name(home: Path) -> str:
    return "".join(char for char in home.name.lower() if char.isalnum())[-38:]


@pytest.fixture
def shop(tmp_path: Path, engine: DockerEngine, registry: str, home: str) -> Shop:
    return Shop(tmp_path, engine, registry, home)


def test_only_what_changed_is_built_and_the_rest_keeps_its_digest_under_the_new_tag(shop: Shop) -> None:
    first = shop.commit({})
    assert shop.build(first) == {"web": "built", "api": "built", "any": "built"}
    second = shop.commit({"api/file": "two", "web/README.md": "words", "docs/x": "x"}, first)
    assert shop.build(second) == {"web": f"unchanged since {first[:7]}", "api": "built", "any": "built"}
    before, after = shop.digests(first), shop.digests(second)
    assert before["web"] == after["web"] and before["api"] != after["api"]
    for name in ("web", "api", "any"):
        assert shop.registry.digest(f"{shop.project.name}/{name}", second) == after[name]
        assert shop.registry.digest(f"{shop.project.name}/{name}", "latest") == after[name]
    with shop.database.read() as session:
        row = session.scalars(select(ImageRow).where(ImageRow.service == "web", ImageRow.revision == second)).one()
    assert (row.built_revision, row.port, row.tested) == (first, None, True)


def test_a_service_is_compared_with_what_it_was_built_from_and_not_with_the_push_before(shop: Shop) -> None:
    first = shop.commit({})
    shop.build(first)
    never_built = shop.commit({"web/file": "two"}, first)
    third = shop.commit({"api/file": "two"}, never_built)
    assert shop.build(third)["web"] == "built"
    fourth = shop.commit({"docs/x": "x"}, third)
    fifth = shop.commit({"docs/x": "y"}, fourth)
    assert shop.build(fourth)["web"] == shop.build(fifth)["web"] == f"unchanged since {third[:7]}"


def test_another_recipe_or_a_wider_reach_is_built(shop: Shop) -> None:
    first = shop.commit({})
    shop.build(first)
    recipe = shop.commit({"slipway.yml": YML.replace("context: api}", "context: api, args: {A: b}}")}, first)
    assert shop.build(recipe) == {"web": f"unchanged since {first[:7]}", "api": "built", "any": "built"}
    aside = YML.replace("context: api}", 'context: ".", dockerfile: api/Dockerfile}')
    moved = shop.commit({"slipway.yml": aside.replace('["api/**"]', '["api/file"]'), "lib/a": "a"}, recipe)
    assert shop.build(moved)["web"] == "built", "lib/** is what web is made of"
    outside = shop.commit({"api/Dockerfile": "FROM scratch\nCOPY api /\n"}, moved)
    assert shop.build(outside)["api"] == "built", "its Dockerfile lies outside its paths and counts all the same"


def test_an_image_the_registry_has_lost_is_built_anew(shop: Shop) -> None:
    first = shop.commit({})
    shop.build(first)
    with shop.database.begin() as session:
        row = session.scalars(select(ImageRow).where(ImageRow.service == "web")).one()
        row.digest = f"sha256:{'0' * 64}"
    second = shop.commit({"docs/x": "x"}, first)
    assert shop.build(second)["web"] == "built"
    assert shop.build(second)["web"] == "was built before"


def test_a_difference_nobody_knows_is_built(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shop.commit({})
    shop.build(first)
    second = shop.commit({"docs/x": "x"}, first)
    monkeypatch.setattr(GitSource, "changed", lambda *_: None)
    assert shop.build(second)["web"] == "built"


def test_an_image_of_a_branch_that_nobody_merged_is_used_by_no_other(shop: Shop) -> None:
    first = shop.commit({})
    aside = shop.commit({"docs/x": "x"}, first, branch="next")
    assert shop.build(aside, branch="next")["web"] == "built"
    main = shop.commit({"docs/y": "y"}, first)
    assert shop.build(main)["web"] == "built"
    merge = shop.commit({"docs/y": "z"}, main, branch="more")
    assert shop.build(merge, branch="more")["web"] == f"unchanged since {main[:7]}"


def test_a_forced_branch_builds_what_its_new_history_never_had(shop: Shop) -> None:
    shop.build(shop.commit({}))
    assert shop.build(shop.commit({"docs/x": "x"}))["web"] == "built"
