"""Test stages and tasks on the real engine: what stands beside the command, what it leaves, and that nothing stays."""

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline import spec as spec_file
from runtime.engine import DockerEngine
from store import secrets
from store.session import Database
from tests import factories
from tests.stage_world import StageWorld

LISTEN = "while true; do nc -l -p 6379 -e cat /data; done"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, engine: DockerEngine, home: str) -> Iterator[StageWorld]:
    folder = tmp_path_factory.mktemp("stages")
    database: Database = factories.database(folder)
    world = StageWorld(database, folder, engine=engine, home=home)
    yield world
    assert world.left() == []
    database.dispose()


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def ask(host: str, port: int = 6379) -> str:
    """Return what asks a service until it answers: between two answers the simple thing it is does not listen."""
    return f"until nc {host} {port}; do sleep 0.1; done"


def store_of(image: str, **more: Any) -> dict[str, Any]:
    """Return a backing service that answers with what is in /data."""
    return {"image": image, "command": sh(f"echo empty >/data; {LISTEN}"), "ready": {"port": 6379}} | more


def test_a_task_runs_in_a_named_image_with_the_variables_of_its_run(world: StageWorld, image: str) -> None:
    stage = world.run({"image": image, "run": sh("env; id -u"), "env": {"MINE": "1"}})
    assert (stage.state, stage.code) == ("passed", "passed")
    said = world.transcript(stage)
    assert {"CI=true", "MINE=1", "SLIPWAY_STAGE=unit", f"SLIPWAY_RUN_ID=r{stage.run_id}", "SLIPWAY_BRANCH=main"} <= {
        *said
    }


def test_an_image_that_nobody_has_is_said_with_what_to_do(world: StageWorld) -> None:
    stage = world.run({"image": "slipway/base-none:local", "run": sh("true")})
    assert (stage.state, stage.code) == ("failed", "no_image")
    assert "`./slipway base build none`" in stage.reason


def test_backing_services_are_ready_and_filled_before_the_command_runs(world: StageWorld, image: str) -> None:
    revision = world.revision({"db/dump.txt": b"from the commit\n"})
    spec = {
        "image": image,
        "run": sh(f"{ask('store')}; {ask('late', 7000)}"),
        "services": {
            "late": {
                "image": image,
                "command": sh(f"{ask('store')}; echo up; while true; do nc -l -p 7000 -e echo late; done"),
                "ready": {"log": "up", "run": sh("true")},
                "depends_on": ["store"],
            },
            "store": store_of(image),
        },
        "restore": [
            {"into": "store", "file": "db/dump.txt", "run": sh("cat >/data; cmp /data /slipway/db/dump.txt; echo in")}
        ],
    }
    stage = world.run(spec, revision=revision)
    said = world.transcript(stage)
    assert (stage.state, stage.reason) == ("passed", "")
    assert [line for line in said if line in {"from the commit", "late", "store | in"}] == [
        "store | in",
        "from the commit",
        "late",
    ]
    started = [line.split(":")[0] for line in said if ": started from " in line]
    assert started == ["store", "late"]


def test_on_a_shared_localhost_the_services_are_at_their_usual_ports(world: StageWorld, image: str) -> None:
    spec = {
        "image": image,
        "run": sh(f"{ask('127.0.0.1')}; {ask('store')}"),
        "network": "localhost",
        "services": {"store": store_of(image, command=sh(f"echo here >/data; {LISTEN}"))},
    }
    stage = world.run(spec)
    assert stage.state == "passed", world.transcript(stage)
    assert world.transcript(stage).count("here") == 2


def test_two_services_cannot_have_one_port_of_one_localhost(world: StageWorld, image: str) -> None:
    services = {name: store_of(image, port=6379) for name in ("one", "two")}
    stage = world.run({"image": image, "run": sh("true"), "network": "localhost", "services": services})
    assert (stage.state, stage.code) == ("failed", "port_clash")
    assert "one and two both want port 6379 on localhost" in stage.reason


def test_a_service_that_is_never_ready_fails_the_stage_with_its_last_lines(world: StageWorld, image: str) -> None:
    deaf = {"image": image, "command": sh("echo I sleep; sleep 600"), "ready": {"port": 6379, "within": "1s"}}
    stage = world.run({"image": image, "run": sh("true"), "services": {"store": deaf}})
    assert (stage.state, stage.code) == ("failed", "not_ready")
    assert stage.reason == "store was not ready within 1 s: refused the connection on port 6379"
    assert stage.tail == ["I sleep"]


def test_a_check_that_hangs_is_a_service_that_is_not_ready(world: StageWorld, image: str) -> None:
    ready = {"run": sh("sleep 600"), "within": "2s"}
    stuck = {"image": image, "command": sh("echo I start; sleep 600"), "ready": ready}
    stage = world.run({"image": image, "run": sh("true"), "with": ["store"], "services": {"store": stuck}})
    assert (stage.state, stage.code) == ("failed", "not_ready")
    assert stage.reason.startswith("store was not ready within 2 s: its check took longer than ")
    assert stage.tail == ["I start"]


def test_a_check_that_hangs_once_is_made_again(world: StageWorld, image: str) -> None:
    once = sh("if [ -e /seen ]; then exit 0; fi; touch /seen; sleep 600")
    late = {"image": image, "command": sh("sleep 600"), "ready": {"run": once, "within": "20s"}}
    spec = {"image": image, "run": sh("true"), "with": ["store"], "services": {"store": late}}
    assert world.run(spec).state == "passed"


def test_a_service_that_dies_is_named_whenever_it_does(world: StageWorld, image: str) -> None:
    early = {"image": image, "command": sh("echo no config; exit 3"), "ready": {"port": 6379}}
    stage = world.run({"image": image, "run": sh("true"), "services": {"store": early}})
    assert (stage.code, stage.reason) == ("backing_died", "store exited with 3 before it was ready")
    assert stage.tail == ["no config"]
    later = {"image": image, "command": sh("nc -l -p 6379; echo oops; exit 4")}
    script = "until echo die | nc store 6379; do sleep 0.1; done; sleep 2; exit 1"
    stage = world.run({"image": image, "run": sh(script), "services": {"store": later}})
    assert (stage.code, stage.reason) == ("backing_died", "store exited with 4 during the test")
    assert "store | oops" in world.transcript(stage)


def test_what_is_shown_of_a_failure_is_what_the_command_said_and_not_its_services(
    world: StageWorld, image: str
) -> None:
    chatty = store_of(image, command=sh(f"for i in $(seq 30); do echo banner; done; {LISTEN}"))
    script = 'for i in $(seq 30); do echo "step $i of shard $SLIPWAY_SHARD"; done; exit $((SLIPWAY_SHARD - 1))'
    stage = world.run({"image": image, "run": sh(script), "services": {"store": chatty}, "shards": 3})
    assert stage.reason.startswith("shards 2, 3 of 3: ")
    assert [stage.tail[0], stage.tail[-1]] == ["[2/3] step 24 of shard 2", "[3/3] step 30 of shard 3"]
    assert not [line for line in stage.tail if "banner" in line or "shard 1" in line]
    assert "[2/3] store | banner" in world.transcript(stage)


def test_a_restore_that_fails_says_so(world: StageWorld, image: str) -> None:
    spec = {"image": image, "run": sh("true"), "services": {"store": store_of(image)}}
    stage = world.run(spec | {"restore": [{"into": "store", "run": sh("echo bad dump; exit 5")}]})
    assert (stage.code, stage.reason, stage.tail) == ("restore_failed", "store: restoring exited with 5", ["bad dump"])
    missing = {"restore": [{"into": "store", "file": "none.sql", "run": sh("true")}]}
    stage = world.run(spec | missing, revision=world.revision())
    assert (stage.code, stage.reason) == ("no_file", "there is no none.sql in this commit to restore from")


def test_no_half_of_a_secret_is_told_where_a_line_is_cut_and_others_speak_in_between(
    world: StageWorld, image: str
) -> None:
    scope = secrets.Scope(project="shop")
    with world.database.begin() as session:
        secrets.put(session, world.ctx.seal, scope, "TOKEN", "QQQQ-WWWW-ZZZZ", by="ana", at=factories.NOW)
    name = "head -c 494 /dev/zero | tr '\\0' x"
    report = f"echo \"<testsuite><testcase name='$({name})$TOKEN'><failure/></testcase></testsuite>\" >/r.xml"
    long = "head -c 16380 /dev/zero | tr '\\0' x; printf $TOKEN; sleep 0.2; echo between >&2; sleep 0.2; echo; exit 1"
    spec = {"image": image, "run": sh(f"{report}; {long}"), "secrets": ["TOKEN"], "shards": 2}
    stage = world.run(spec | {"reports": {"junit": ["/r.xml"]}})
    assert stage.state == "failed" and any("between" in line for line in stage.tail)
    found = [stage.reason, *stage.tail, *world.transcript(stage)]
    found += [text for one in world.results(stage) for text in (one.suite, one.name, one.message)]
    assert not [line for line in found if any(part in line for part in ("QQ", "WW", "ZZ"))]
    assert any("xx[mask" in line for line in stage.tail), "it was there to be masked"


def test_secrets_reach_the_command_and_nobody_who_reads(world: StageWorld, image: str) -> None:
    scope = secrets.Scope(project="shop")
    with world.database.begin() as session:
        secrets.put(session, world.ctx.seal, scope, "TOKEN", "s3cr3t-value", by="ana", at=factories.NOW)
    report = "<testsuite><testcase name='$TOKEN'><failure message='not $TOKEN'/></testcase></testsuite>"
    script = f'test $TOKEN = s3cr3t-value && echo it is $TOKEN && echo "{report}" >/r.xml'
    spec = {"image": image, "run": sh(script), "secrets": ["TOKEN"], "reports": {"junit": ["/r.xml"]}}
    stage = world.run(spec)
    assert stage.code == "task_failed"
    (result,) = world.results(stage)
    shown = [*world.transcript(stage), stage.reason, *stage.tail, result.name, result.message]
    assert "it is [masked]" in shown
    assert "s3cr3t-value" not in "\n".join(shown)
    stranger = world.run(spec, trusted=False, approved_by="bo")
    assert (stranger.state, stranger.code) == ("failed", "no_secrets_for_forks")


def test_tests_against_an_environment_where_nothing_serves_say_so(world: StageWorld, image: str) -> None:
    stage = world.run({"image": image, "run": sh("true"), "against": "ci"})
    assert (stage.state, stage.code) == ("failed", "nothing_serves")
    assert stage.reason == "nothing serves in ci: let a stage deploy there, and let this one need it"


@pytest.mark.parametrize(
    ("ref", "given"),
    [("heads/main", True), ("heads/release/1", True), ("heads/feature", False), ("tags/v1", False)],
)
def test_G20_an_environments_secrets_go_only_to_branches_that_are_deployed_there(
    world: StageWorld, image: str, ref: str, given: bool
) -> None:
    with world.database.begin() as session:
        scope = secrets.Scope(project="shop", environment="live")
        secrets.put(session, world.ctx.seal, scope, "DEPLOY_KEY", "s3cr3t-value", by="ana", at=factories.NOW)
    rules = "services: {web: {}}\nenvironments: {live: {branches: [main, release/*]}}\n"
    file = f"{rules}stages: {{build: {{build: all}}, live: {{deploy: live}}}}\n"
    config = spec_file.to_json(spec_file.load({"slipway.yml": file.encode()}, project="shop"))
    spec = {"image": image, "run": sh("test $DEPLOY_KEY"), "against": "live", "network": "none"}
    stage = world.run(spec | {"secrets": ["DEPLOY_KEY"]}, ref=f"refs/{ref}", config=config)
    assert (stage.state, stage.code) == (("passed", "passed") if given else ("failed", "no_secret")), stage.reason
    assert ("(live's own are only for main or release/*)" in stage.reason) is not given


def test_a_strangers_tests_face_no_environment(world: StageWorld, image: str) -> None:
    spec = {"image": image, "run": sh("true"), "against": "ci"}
    stage = world.run(spec, trusted=False, approved_by="bo")
    assert (stage.state, stage.code) == ("failed", "no_environment_for_forks")
