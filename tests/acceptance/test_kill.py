"""Whatever is killed, whenever: the run ends once, and as it should."""

import json
import logging
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from runtime.files import locked
from tests.killing import Killer, made_once, nothing_is_left_over
from tests.system import Repository, System, service_files, until

SLOW_BUILD = "FROM slipway/base-busybox:local\nRUN sleep 3\nCOPY . /www\n"
SERVE = 'EXPOSE 8080\nCMD ["httpd", "-f", "-p", "8080", "-h", "/www"]\n'
SLOW_START = 'EXPOSE 8080\nCMD ["sh", "-c", "sleep 3; exec httpd -f -p 8080 -h /www"]\n'
# More rounds and another seed: SLIPWAY_KILL_ROUNDS=200 SLIPWAY_KILL_SEED=7
ROUNDS = int(os.environ.get("SLIPWAY_KILL_ROUNDS", "9"))
SEED = int(os.environ.get("SLIPWAY_KILL_SEED", "4"))
# A run whose worker was killed for the third time is given up, and says so; nothing else may come of it.
POISONED = "its worker died"
OWNER = """select job.owner from job join stage on job.ref_id = stage.id and job.kind = 'stage'
join run on run.id = stage.run_id where run.revision = :revision and stage.name = :stage and job.state = 'running'"""

KILLED_FILES = {
    "Dockerfile": "FROM slipway/base-busybox:local\nRUN sleep 1\nCOPY . /www\n" + SERVE,
    "test.sh": "sleep 1; echo fine\n",
}
FILES = {
    "build": {"Dockerfile": SLOW_BUILD + SERVE},
    "unit": {"test.sh": "sleep 3; echo fine\n"},
    "staging": {"Dockerfile": "FROM slipway/base-busybox:local\nCOPY . /www\n" + SLOW_START},
}

Struck = tuple[Repository, str, "subprocess.Popen[bytes]"]


def owner(slipway: System, revision: str, stage: str) -> int:
    """Wait until a worker is at a stage and return its process."""
    found: list[str] = []

    def claimed() -> bool:
        found[:] = [slipway.value(OWNER, revision=revision, stage=stage) or ""]
        return bool(found[0])

    until(claimed, 40, lambda: f"nobody is at {stage}")
    return int(found[0].split(":")[1])


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def once(slipway: System, repository: Repository, revision: str) -> None:
    """See that a run passed, and that everything about it is there once."""
    run = slipway.wait_run(revision, seconds=120)
    assert run["state"] == "passed", (run["reason"], run["code"])
    assert slipway.ask(f"web.staging.{repository.name}.slipway.localhost").status == 200
    assert slipway.value("select count(*) from image where revision = :revision", revision=revision) == 1
    numbers = {"id": int(run["id"][1:])}
    assert slipway.value("select count(*) from deployment where run_id = :id", **numbers) == 2
    assert slipway.value("select count(*) from message where kind = 'run' and ref_id = :id", **numbers) == 1
    listing = ["docker", "ps", "-aq", "--filter", f"label=dev.slipway.project={repository.name}"]

    def left() -> list[str]:
        return subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()

    until(lambda: len(left()) == 2, 30, lambda: f"containers are left: {left()}")


def test_F1_F2_whoever_dies_at_a_stage_the_run_finishes_once(slipway: System) -> None:
    """Each dies while the leases of those before it run out: a lease is long, and the machine is not idle meanwhile."""
    struck = [strike(slipway, f"horse-{stage}", FILES[stage], stage) for stage in FILES]
    struck.append(strike(slipway, "worker", FILES["unit"], "unit", kill=kill_parent))
    struck.append(strike_fetch(slipway))
    for repository, revision, pushing in struck:
        once(slipway, repository, revision)
        pushing.wait(60)


def strike(
    slipway: System, name: str, files: dict[str, str], stage: str, *, kill: Callable[[int], None] | None = None
) -> Struck:
    """Push a repository and kill the child that is at a stage of it, or what `kill` makes of that."""
    repository = slipway.repository(name, service_files("one") | files)
    revision = repository.commit()
    pushing = repository.start_push()
    (kill or kill_child)(owner(slipway, revision, stage))
    return repository, revision, pushing


def strike_fetch(slipway: System) -> Struck:
    """Kill the child that waits for the mirror of a second push."""
    repository = slipway.repository("fetch")
    first = repository.commit()
    repository.push()
    assert slipway.wait_run(first)["state"] == "passed"
    second = repository.commit("two", {"index.html": "two\n"})
    with locked(slipway.home / "git" / "fetch.lock", 5):
        pushing = repository.start_push()
        kill_child(owner(slipway, second, "source"))
    return repository, second, pushing


def kill_child(child: int) -> None:
    os.kill(child, signal.SIGKILL)


def kill_parent(child: int) -> None:
    os.kill(parent(child), signal.SIGKILL)
    until(lambda: not alive(child), 10, lambda: "the child outlived its parent")


def test_F14_what_redis_forgets_is_sent_again(slipway: System) -> None:
    repository = slipway.repository("flush", service_files("one") | FILES["unit"])
    revision = repository.commit()
    with repository.start_push() as pushing:
        owner(slipway, revision, "unit")
        sock = str(slipway.where["redis"]).removeprefix("unix://")
        subprocess.run(["redis-cli", "-s", sock, "FLUSHALL"], check=True, capture_output=True)
        once(slipway, repository, revision)
        pushing.wait(60)


def test_F35_a_deployed_container_that_is_removed_by_hand_comes_back(slipway: System) -> None:
    repository = slipway.repository("mend")
    repository.commit()
    repository.push()
    staging = ["label=dev.slipway.project=mend", "label=dev.slipway.environment=staging"]
    listing = ["docker", "ps", "-q", *(word for label in staging for word in ("--filter", label))]
    ids = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["docker", "rm", "-f", *ids], check=True, capture_output=True)
    name = "web.staging.mend.slipway.localhost"
    until(lambda: slipway.ask(name).status == 200, 40, lambda: slipway.ask(name).text)


def test_F53_whatever_is_killed_every_run_ends_once_and_nothing_is_left(slipway: System) -> None:
    killer = Killer(slipway=slipway, seed=SEED)
    for volley in range(-(-ROUNDS // 9)):
        revisions = []
        for number in range(4):
            repository = slipway.repository(f"loop-{volley}-{number}", service_files("one") | KILLED_FILES)
            revisions.append(repository.commit())
            repository.push_quietly()
        killer.rounds(min(ROUNDS, 9 * (volley + 1)))
        until(lambda: ready(slipway), 60, lambda: "not everything came back")
        for revision in revisions:
            run = slipway.wait_run(revision, seconds=240)
            assert run["state"] == "passed" or POISONED in run["reason"], run
            made_once(slipway, revision)
    logging.getLogger(__name__).info("killed %s", killer.killed)
    nothing_is_left_over(slipway)


def test_F59_taking_everything_down_in_the_middle_of_a_build_loses_nothing(slipway: System) -> None:
    repository = slipway.repository("restart", service_files("one") | FILES["build"])
    revision = repository.commit()
    repository.push_quietly()
    owner(slipway, revision, "build")
    slipway.command("down")
    slipway.command("up", "-d")
    slipway.where = json.loads(slipway.command("status", "--json"))
    once(slipway, repository, revision)
    nothing_is_left_over(slipway)


def test_F19_a_cancelled_build_stops_at_once_and_is_cancelled_only_then(slipway: System) -> None:
    slow = {"Dockerfile": SLOW_BUILD.replace("sleep 3", "echo begun; sleep 7431")}
    repository = slipway.repository("cancel", service_files("one") | slow)
    revision = repository.commit()
    repository.push_quietly()
    owner(slipway, revision, "build")
    run = slipway.api(f"/runs?revision={revision}&limit=1")["items"][0]["id"]
    until(lambda: "begun" in slipway.command("log", run, "build", check=False), 60, lambda: "the build does not begin")
    slipway.say(f"cancel {run}")
    assert slipway.wait_run(revision, seconds=30)["state"] == "cancelled"
    until(lambda: not sleeping("7431"), 10, lambda: "the build goes on")


def sleeping(seconds: str) -> list[str]:
    """Return the processes of this machine that sleep for so long."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return [
        line.decode() for line in lines if line.startswith(b"sleep") and line.split(b"\0")[1:2] == [seconds.encode()]
    ]


def ready(slipway: System) -> bool:
    try:
        return slipway.request("GET", "/readyz").status == 200
    except OSError:
        return False


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
