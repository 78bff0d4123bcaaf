"""The build stage on the real engine and registry: secrets, side by side, builders, release images, numbers."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from sqlalchemy import select

from pipeline import spec as spec_file
from pipeline.containers import Limits
from pipeline.decide import decide
from pipeline.images import Image
from pipeline.outcome import passed
from pipeline.plan import plan_stages
from pipeline.project import Forge, Project
from pipeline.push import HEADS, Ignored, Push
from runtime.engine import DockerEngine
from runtime.registry import HttpRegistry
from runtime.source import GitSource
from store import images, jobs, projects, runs, secrets
from store.schema import JobRow, RunRow, StageRow
from store.sealing import Seal, seal_of
from tests import factories, fakes
from tests.conftest import MOMENT
from tests.repositories import Repository
from workers.context import Builds
from workers.handlers import HANDLERS
from workers.steps import ATTEMPTS, run_job

COPY = "FROM scratch\nCOPY . /\n"


class Heard(fakes.Transcripts):
    """A transcript that is remembered."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.hidden: set[str] = set()

    def open(self, run: int, stage: str, attempt: int) -> "Heard":
        return self

    def hide(self, values: object) -> None:
        self.hidden |= set(values)  # type: ignore[call-overload]

    def write(self, line: str) -> None:
        self.lines.append(line)


class Yard:
    """A project, and a worker that builds its commits."""

    def __init__(self, home: Path, engine: DockerEngine, registry: str, label: str) -> None:
        self.database = factories.database(home)
        self.heard = Heard()
        self.seal: Seal = seal_of(home, None)
        self.ctx = dataclasses.replace(
            fakes.context(self.database, home),
            source=GitSource(home / "git", local_paths=True),
            engine=engine,
            registry=HttpRegistry(registry),
            registry_address=registry,
            build_limits=Limits(seconds=60, silence=30),
            home=label,
            seal=self.seal,
            transcripts=self.heard,
            memory=512 * 1024**2,
        )
        self.repository = Repository.make(home / "shop.git")
        name = "".join(char for char in home.name.lower() if char.isalnum())[-38:]
        asked = Project(id=0, name=name, url=self.repository.url, forge=Forge.GIT, secret="s")
        with self.database.begin() as session:
            self.project = projects.add(session, asked, at=MOMENT)
        self.runs = 0

    def build(self, files: dict[str, str], *, trusted: bool = True) -> tuple[StageRow, RunRow]:
        """Commit files, build them, and return the stage and the run as they stand then."""
        data = {path: text.encode() for path, text in files.items()}
        return self.run(self.repository.commit(data, ref=f"{HEADS}main"), trusted=trusted)

    def run(self, revision: str, *, trusted: bool = True) -> tuple[StageRow, RunRow]:
        """Build a commit, once more perhaps."""
        self.ctx.source.tip(self.project.name, self.project.url, f"{HEADS}main")
        spec = spec_file.load(
            self.ctx.source.files(self.project.name, revision, spec_file.CANDIDATES), project=self.project.name
        )
        self.runs += 1
        with self.database.begin() as session:
            push = Push(ref=f"{HEADS}main", before="", after=revision)
            run, _ = runs.create(
                session, self.project, push, trigger="push", at=MOMENT, asked=runs.Asked(again=str(self.runs))
            )
            runs.describe(session, run, revision=revision, config=spec_file.to_json(spec), message="m", author="a")
            if not trusted:
                row = session.get_one(RunRow, run)
                row.trusted, row.approved_by = False, "bo"
            runs.plan(session, run, plan_stages(spec, branch="main", tag=None))
            stages = {row.name: row.id for row in session.scalars(select(StageRow).where(StageRow.run_id == run))}
            runs.end(session, stages["source"], passed(), at=MOMENT)
            mine = (JobRow.kind == jobs.JobKind.STAGE) & (JobRow.ref_id == stages["build"])
            job = session.scalars(select(JobRow.id).where(mine)).one()
        run_job(self.ctx, HANDLERS, job, "tests")
        self.tell(stages["build"])
        with self.database.read() as session:
            return session.get_one(StageRow, stages["build"]), session.get_one(RunRow, run)

    def tell(self, stage: int) -> None:
        """Do the job that follows from a tested commit, until nothing more is tried."""
        for _ in range(ATTEMPTS):
            with self.database.begin() as session:
                mine = (JobRow.kind == jobs.JobKind.TESTED) & (JobRow.ref_id == stage) & (JobRow.state == "queued")
                job = session.scalar(select(JobRow).where(mine))
                if job is None:
                    return
                job.not_before, number = 0, job.id
            run_job(self.ctx, HANDLERS, number, "tests")

    def image(self, revision: str, service: str) -> Image:
        with self.database.read() as session:
            found = images.find(session, self.project.id, service, revision)
        assert found is not None
        return found

    def tag(self, service: str, tag: str) -> str | None:
        return self.ctx.registry.digest(f"{self.project.name}/{service}", tag)


@pytest.fixture
def yard(tmp_path: Path, engine: DockerEngine, registry: str, home: str) -> Yard:
    return Yard(tmp_path, engine, registry, home)


def test_services_are_built_side_by_side_each_line_saying_whose_it_is(yard: Yard) -> None:
    yml = "services:\n  web: {build: {context: web}}\n  api: {build: {context: api}}\n"
    stage, run = yard.build({"slipway.yml": yml, "web/Dockerfile": COPY, "api/Dockerfile": COPY})
    assert (stage.state, stage.reason) == ("passed", "web built, api built")
    assert {line.split(" │ ")[0] for line in yard.heard.lines} == {"web", "api"}
    assert run.build_number == 1


def test_the_first_service_that_fails_stops_the_others_and_is_named(yard: Yard, image: str) -> None:
    yml = "services:\n  web: {build: {context: web}}\n  api: {build: {context: api}}\n  any: {build: {context: api}}\n"
    broken = f"FROM {image}\nRUN echo oh dear; exit 7\n"
    slow = f"FROM {image}\nRUN sleep 1000\n"
    stage, run = yard.build({"slipway.yml": yml, "web/Dockerfile": broken, "api/Dockerfile": slow})
    assert (stage.state, stage.code) == ("failed", "build_failed")
    assert stage.reason.startswith("web: Dockerfile: `RUN echo oh dear; exit 7` exited with 7")
    assert "oh dear" in stage.tail
    assert run.build_number is None, "nothing was published"


def test_every_build_of_a_branch_keeps_a_tag_with_its_number(yard: Yard) -> None:
    for number in (1, 2):
        stage, run = yard.build({"Dockerfile": COPY, "file": str(number)})
        assert (stage.state, run.build_number) == ("passed", number), stage.reason
    service = stage.spec["services"][0]
    first, second = yard.tag(service, "main-1"), yard.tag(service, "main-2")
    assert None not in {first, second} and first != second
    assert yard.tag(service, "main") == yard.tag(service, "latest") == second


def test_a_strangers_run_moves_no_tags_and_gets_no_secrets(yard: Yard, image: str) -> None:
    stage, run = yard.build({"Dockerfile": COPY}, trusted=False)
    assert (stage.state, run.build_number) == ("passed", None)
    assert yard.tag(stage.spec["services"][0], "main") is None
    yml = "services:\n  web: {build: {secrets: [TOKEN]}}\n"
    stage, _ = yard.build({"slipway.yml": yml, "Dockerfile": COPY}, trusted=False)
    assert (stage.state, stage.code) == ("failed", "no_secrets_for_forks")


def test_a_secret_reaches_the_build_and_is_hidden_from_the_transcript(yard: Yard, image: str) -> None:
    value = "hunter2-hunter2"
    step = "RUN --mount=type=secret,id=TOKEN,required test $(cat /run/secrets/TOKEN | wc -c) = 15"
    dockerfile = f"FROM {image}\n{step}\n"
    yml = "services:\n  web: {build: {secrets: [TOKEN]}}\n"
    files = {"slipway.yml": yml, "Dockerfile": dockerfile}
    stage, _ = yard.build(files)
    assert (stage.state, stage.code) == ("failed", "no_secret")
    with yard.database.begin() as session:
        scope = secrets.Scope(project=yard.project.name)
        secrets.put(session, yard.seal, scope, "TOKEN", value, by="ana", at=MOMENT)
    stage, _ = yard.build({**files, "more": "x"})
    assert stage.state == "passed", stage.reason
    assert value in yard.heard.hidden
    assert value not in "".join(yard.heard.lines)


def test_a_build_container_makes_the_context_and_a_release_image_comes_of_the_same(yard: Yard, image: str) -> None:
    script = "test $(pwd) = /workspace && mkdir -p dist && tr a-z A-Z <word >dist/word && echo x >>/cache/n"
    yml = f"""services:
  web:
    builder: {{image: "{image}", run: "{script}", output: dist}}
    release: {{target: small}}
"""
    dockerfile = (
        f"FROM {image} AS small\nCOPY word /word\nFROM small\nRUN test $(cat /word) = HELLO && echo y >/tools\n"
    )
    stage, run = yard.build({"slipway.yml": yml, "Dockerfile": dockerfile, "word": "hello"})
    assert stage.state == "passed", (stage.reason, yard.heard.lines)
    made = yard.image(run.revision, "web")
    assert made.release_digest and made.release_digest != made.digest
    assert yard.tag("web", f"{run.revision}-release") == made.release_digest
    assert yard.tag("web", run.revision) == made.digest
    again, _ = yard.run(run.revision)
    assert again.reason == "web was built before", yard.heard.lines


def test_D15_D8_a_strangers_build_container_shares_neither_caches_nor_a_network(yard: Yard, image: str) -> None:
    def builds(script: str) -> dict[str, str]:
        yml = f'services:\n  web: {{builder: {{image: "{image}", run: "{script}", output: "."}}}}\n'
        return {"slipway.yml": yml, "Dockerfile": "FROM scratch\nCOPY word /\n", "word": script}

    stage, _ = yard.build(builds("echo ours >/cache/word"))
    assert stage.state == "passed", (stage.reason, yard.heard.lines)
    stage, _ = yard.build(builds("test ! -e /cache/word && echo evil >/cache/word"), trusted=False)
    assert stage.state == "passed", (stage.reason, yard.heard.lines)
    alone = yard.ctx.engine.network_alone()
    assert alone, "the engine of the tests keeps containers apart"
    gateway = yard.ctx.engine.gateway(alone).ip
    script = f"test $(cat /cache/word) = ours && ip route | grep 'default via {gateway} '"
    stage, _ = yard.build(builds(script))
    assert stage.state == "passed", (stage.reason, yard.heard.lines)


def test_a_build_container_of_another_user_can_leave_its_output(yard: Yard, image: str) -> None:
    yml = 'services:\n  web: {builder: {dockerfile: Tools, run: "mkdir dist && cp word dist/", output: dist}}\n'
    tools = f"FROM {image}\nUSER 4711\n"
    stage, _ = yard.build(
        {"slipway.yml": yml, "Tools": tools, "Dockerfile": "FROM scratch\nCOPY word /\n", "word": "x"}
    )
    assert stage.state == "passed", (stage.reason, yard.heard.lines)


def test_D15_G17_a_strangers_build_gets_no_shared_mounts_and_no_other_projects_images(yard: Yard, image: str) -> None:
    for line in ("RUN --mount=type=cache,target=/c true", f"COPY --from={yard.ctx.registry_address}/other/web:1 / /"):
        stage, _ = yard.build({"Dockerfile": f"FROM {image}\n{line}\n"}, trusted=False)
        assert (stage.state, stage.code) == ("failed", "not_for_forks"), stage.reason
    yml = f'services:\n  web: {{builder: {{image: "{yard.ctx.registry_address}/other/web:1", run: "true"}}}}\n'
    stage, _ = yard.build({"slipway.yml": yml, "Dockerfile": COPY}, trusted=False)
    assert (stage.state, stage.code) == ("failed", "not_for_forks"), stage.reason


def test_a_toolchain_is_built_from_the_repository(yard: Yard, image: str) -> None:
    yml = 'services:\n  web: {builder: {dockerfile: tools/Dockerfile, run: "tool >made"}}\n'
    tools = f"FROM {image}\nRUN echo 'echo by the tool' >/bin/tool && chmod +x /bin/tool\n"
    dockerfile = f"FROM {image}\nCOPY made /made\nRUN grep -q 'by the tool' /made\n"
    stage, _ = yard.build({"slipway.yml": yml, "tools/Dockerfile": tools, "Dockerfile": dockerfile})
    assert stage.state == "passed", stage.reason


def test_proxies_and_certificates_reach_builds_and_are_in_no_image(yard: Yard, image: str, host: str) -> None:
    proxies = {"HTTP_PROXY": "http://proxy.test:3128", "http_proxy": "http://proxy.test:3128"}
    yard.ctx = dataclasses.replace(yard.ctx, builds=Builds(ca_bundle="CERTIFICATES-4711", proxies=proxies))
    yml = """services:
  web:
    builder: {image: "IMAGE", run: "test $http_proxy = http://proxy.test:3128 && cp $SSL_CERT_FILE seen"}
""".replace("IMAGE", image)
    dockerfile = f"""FROM {image}
COPY seen /tmp/seen
RUN test "$HTTP_PROXY" = http://proxy.test:3128
RUN --mount=type=secret,id=ca_bundle cmp /tmp/seen /run/secrets/ca_bundle && rm /tmp/seen
"""
    stage, run = yard.build({"slipway.yml": yml, "Dockerfile": dockerfile})
    assert stage.state == "passed", (stage.reason, yard.heard.lines)
    with docker.APIClient(base_url=host, version="1.41") as client:
        api: Any = client
        reference = yard.image(run.revision, "web").reference
        said = json.dumps([api.inspect_image(reference), api.history(reference)])
    assert "proxy.test:3128" not in said.replace("= http://proxy.test:3128", "") and "CERTIFICATES" not in said


def test_of_two_runs_that_build_one_commit_at_a_time_the_first_makes_its_image(
    yard: Yard, engine: DockerEngine, image: str
) -> None:
    revision = yard.repository.commit({"Dockerfile": f"FROM {image}\nRUN date +%N >/date\n".encode()})
    service = yard.project.name
    name = f"{yard.ctx.registry_address}/{service}/{service}"
    faster: list[Image] = []

    class Meddling(Heard):
        """Has another run come to its end while this one is at work."""

        def write(self, line: str) -> None:
            super().write(line)
            if " RUN date" in line and not faster:
                engine.tag(image, f"{name}:faster")
                digest = engine.push(f"{name}:faster", lambda _line: None)
                faster.append(Image(service=service, name=name, revision=revision, digest=digest))
                made = images.Made(port=None, builder="buildkit")
                with yard.database.begin() as session:
                    images.record(session, yard.project.id, faster[0], made, run_id=1, at=MOMENT)

    yard.ctx = dataclasses.replace(yard.ctx, transcripts=Meddling())
    stage, _ = yard.run(revision)
    assert stage.state == "passed", stage.reason
    there = {yard.tag(service, revision), yard.tag(service, "main"), yard.image(revision, service).digest}
    assert there == {faster[0].digest}


def test_F44_an_image_that_the_registry_has_lost_is_pushed_again(
    yard: Yard,
) -> None:
    stage, run = yard.build({"Dockerfile": COPY, "file": "lost"})
    service = stage.spec["services"][0]
    made = yard.image(run.revision, service)
    base = f"http://{yard.ctx.registry_address}/v2/{yard.project.name}/{service}/manifests"
    assert httpx.delete(f"{base}/{made.digest}", trust_env=False).status_code == 202
    assert yard.tag(service, run.revision) is None
    stage, _ = yard.run(run.revision)
    assert stage.reason == f"{service} was built before"
    assert yard.tag(service, run.revision) == made.digest


def test_a_tested_build_is_tagged_in_git_once_and_our_own_tag_starts_no_run(yard: Yard) -> None:
    with yard.database.begin() as session:
        projects.set_rules(session, yard.project.id, {"own_tags": True})
    stage, run = yard.build({"Dockerfile": COPY, "file": "tagged"})
    assert stage.state == "passed", stage.reason
    tag = Push(ref="refs/tags/build-main-1", before="", after=run.revision)
    asked = yard.ctx.source.tips(yard.project.name, yard.project.url)
    assert asked[tag.ref].commit == run.revision
    yard.ctx.source.push_tag(yard.project.name, yard.project.url, run.revision, "build-main-1")
    with yard.database.read() as session:
        project = projects.get(session, yard.project.id)
    meant = decide(project, tag)
    assert isinstance(meant, Ignored) and meant.code == "own_tag"
    assert decide(yard.project, tag) == tag, "without the setting it is a tag like any other"


def test_a_tag_that_the_host_refuses_is_shown_and_fails_nothing(yard: Yard) -> None:
    with yard.database.begin() as session:
        projects.set_rules(session, yard.project.id, {"own_tags": True})
    other = yard.repository.commit({"other": b"x"}, ref=f"{HEADS}other")
    yard.repository.point("refs/tags/build-main-1", other)
    stage, run = yard.build({"Dockerfile": COPY, "file": "refused"})
    assert stage.state == "passed" and run.build_number == 1
    assert "a tag could not be given: " in stage.reason and "rejected" in stage.reason
