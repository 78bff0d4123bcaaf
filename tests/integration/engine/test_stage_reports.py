"""Reports and artifacts out of real containers: whatever a command leaves, and however it ends."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.engine import DockerEngine
from store import runs
from tests import factories
from tests.stage_world import StageWorld

REPORTS = {"junit": ["/reports/*.xml"], "coverage": ["/reports/cov/coverage.xml"], "files": ["/reports/**/*.txt"]}

ENDLESS = """
cd /reports
{ echo '<testsuite>'; seq 30000 | sed "s|.*|<testcase name='&'/>|"; echo '</testsuite>'; } >big1.xml
sed "s/name='/name='x/" big1.xml >big2.xml
dd if=/dev/zero of=huge.xml bs=1048576 count=17 2>/dev/null
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, engine: DockerEngine, home: str) -> Iterator[StageWorld]:
    folder = tmp_path_factory.mktemp("reports")
    database = factories.database(folder)
    world = StageWorld(database, folder, engine=engine, home=home)
    yield world
    assert world.left() == []
    database.dispose()


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def report(name: str = "unit", **tests: str) -> str:
    """Return what writes a report of tests that passed, or failed with a message."""
    cases = "".join(
        f"<testcase classname='cart' name='{test}'>{f'<failure message={chr(34)}{why}{chr(34)}/>' if why else ''}"
        "</testcase>"
        for test, why in tests.items()
    )
    return f"mkdir -p /reports/cov; cat >/reports/{name}.xml <<'END'\n<testsuite>{cases}</testsuite>\nEND\n"


def spec(image: str, script: str, **more: Any) -> dict[str, Any]:
    return {"image": image, "run": sh(script), "reports": REPORTS, "network": "none"} | more


def test_failing_tests_are_named_first_with_what_is_new(world: StageWorld, image: str) -> None:
    before = world.run(spec(image, report(fine="", old="boom") + "exit 1"))
    assert (before.state, before.code, before.reason) == ("failed", "task_failed", "1 passed, 1 failed: old")
    coverage = 'echo \'<coverage line-rate="0.8" lines-valid="200" lines-covered="150"/>\' >/reports/cov/coverage.xml;'
    now = world.run(spec(image, report(fine="", old="boom", fresh="1 is not 2") + coverage + "exit 1"))
    assert now.reason == f"1 passed, 2 failed: fresh (new since r{before.run_id}), old; coverage 75.0 %"
    assert now.tail[0] == f"✗ cart › fresh (new since r{before.run_id}): 1 is not 2"
    assert [(one.name, one.new) for one in world.results(now)] == [("fresh", True), ("old", False), ("fine", False)]


def test_a_report_of_failures_counts_for_more_than_an_exit_code_of_nothing(world: StageWorld, image: str) -> None:
    stage = world.run(spec(image, report(broken="no") + "true"))
    assert (stage.state, stage.code) == ("failed", "task_failed")
    assert "1 failed: broken" in stage.reason
    assert "exited with 0" in stage.reason


def test_a_report_that_was_promised_and_never_came_is_said(world: StageWorld, image: str) -> None:
    stage = world.run(spec(image, "true"))
    assert stage.state == "passed"
    assert "warning: there is no report at /reports/*.xml" in world.transcript(stage)


def test_what_is_left_counts_even_when_the_time_is_over(world: StageWorld, image: str) -> None:
    script = report(fine="") + "echo shot >/reports/cov/shot.txt; sleep 600"
    stage = world.run(spec(image, script, timeout=2.0))
    assert (stage.state, stage.code) == ("failed", "timeout")
    assert "1 passed" in stage.reason
    assert world.kept(stage) == {"reports/cov/shot.txt": b"shot\n"}


def test_what_is_left_counts_even_when_the_run_is_cancelled(world: StageWorld, image: str) -> None:
    def cancel(stage: int) -> None:
        name = f"slipway-{world.home}-r{world.row(stage).run_id}-unit"
        deadline = time.monotonic() + 60
        while "begun" not in world.engine.tail(name, 5):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with world.database.begin() as session:
            runs.request_cancel(session, world.row(stage).run_id, "by ana")
        world.ctx.stopping.set()

    try:
        stage = world.meanwhile(spec(image, report(fine="") + "echo begun; sleep 600"), cancel)
    finally:
        world.ctx.stopping.clear()
    assert stage.state == "cancelled"
    assert [one.name for one in world.results(stage)] == ["fine"]


def test_artifacts_keep_to_their_limits_and_say_what_was_cut(world: StageWorld, image: str) -> None:
    script = "mkdir -p /reports; cd /reports; for i in 1 2 3 4 5 6 7; do echo $i >$i.txt; done"
    script += "; dd if=/dev/zero of=0.txt bs=1024 count=2048 2>/dev/null"
    stage = world.run(spec(image, script, reports={"files": ["/reports/*.txt"]}))
    assert sorted(world.kept(stage)) == [f"reports/{number}.txt" for number in range(1, 6)]
    assert "warning: 3 files were not kept: beyond 1 MiB and 5 files a stage" in world.transcript(stage)


def test_D12_links_and_names_that_lead_elsewhere_are_not_followed(world: StageWorld, image: str) -> None:
    script = "mkdir -p /reports; cd /reports; ln -s /etc/passwd a.txt; ln -s / all; mkfifo b.txt; echo c >c.txt"
    script += "; printf '<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><testsuite/>' >bad.xml"
    stage = world.run(spec(image, script))
    assert (stage.state, world.kept(stage)) == ("passed", {"reports/c.txt": b"c\n"})
    assert any("bad.xml cannot be read: it declares a document type" in line for line in world.transcript(stage))


def test_D12_reports_without_end_are_read_up_to_a_limit(world: StageWorld, image: str) -> None:
    stage = world.run(spec(image, report(fine="") + ENDLESS))
    said = world.transcript(stage)
    assert stage.state == "passed"
    assert any(line.endswith("huge.xml was not read: it is larger than 16 MiB") for line in said)
    assert any("with it there would be more than 50,000 tests" in line for line in said)
    assert stage.reason in {"30000 passed", "30001 passed"}


def test_shards_run_beside_each_other_and_their_reports_are_one(world: StageWorld, image: str) -> None:
    script = report(same="") + report(name="own", **{"t$SLIPWAY_SHARD": ""}).replace("<<'END'", "<<END")
    script += "echo $SLIPWAY_SHARD of $SLIPWAY_SHARDS; until nc store 6379 >/dev/null; do sleep 0.1; done"
    script += "; test $SLIPWAY_SHARD != 2"
    store = {"image": image, "command": sh("while true; do nc -l -p 6379 -e echo x; done"), "ready": {"port": 6379}}
    stage = world.run(spec(image, script, shards=3, network="private", services={"store": store}))
    assert (stage.state, stage.code) == ("failed", "task_failed")
    assert stage.reason.startswith("shard 2 of 3: `mkdir")
    assert "though its report says 4 passed" in stage.reason
    said = world.transcript(stage)
    assert {"[1/3] 1 of 3", "[2/3] 2 of 3", "[3/3] 3 of 3"} <= {*said}
    assert sum("store: ready after" in line for line in said) == 3
    assert {(one.name, one.shard) for one in world.results(stage)} == {
        ("same", 1),
        *((f"t{shard}", shard) for shard in (1, 2, 3)),
    }
