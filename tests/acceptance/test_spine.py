"""From a push to a named, announced deployment, on real parts."""

import json
import re
import subprocess
import urllib.error
import urllib.request
from functools import partial

import dns.message
import dns.query

from commands.demo_tools import Load
from tests.system import DOCKERFILE, NEW, System, service_files, until


def resolve(slipway: System, name: str) -> list[str]:
    query = dns.message.make_query(name, "A")
    where = slipway.where["dns"]
    answer = dns.query.udp(query, where["host"], port=where["port"], timeout=3)
    return [item.address for rows in answer.answer for item in rows]


def has(head: urllib.request.Request) -> str | None:
    try:
        with urllib.request.urlopen(head, timeout=5) as answer:
            return str(answer.headers["Docker-Content-Digest"])
    except urllib.error.HTTPError:
        return None


def messages_about(slipway: System, run: str) -> list[dict[str, object]]:
    items = slipway.api("/chat/messages?limit=200")["items"]
    return [one for one in items if re.search(rf"\b{run}\b", one["text"])]


def test_a_push_becomes_a_tested_named_announced_deployment(slipway: System) -> None:
    repository = slipway.repository("spine")
    revision = repository.commit("A word")
    said = repository.push()
    run = slipway.wait_run(revision)
    assert run["state"] == "passed", run
    assert [stage["name"] for stage in run["stages"]] == ["source", "build", "unit", "ci", "staging"]
    assert "remote:" in said and run["id"] in said and "staging" in said
    for name in ("web.staging.spine.slipway.test", "staging.spine.slipway.localhost", "web.ci.spine.slipway.test"):
        assert slipway.ask(name).text == "one\n", name
        assert resolve(slipway, name) == ["127.0.0.1"], name
    digest = run["images"][0]["digest"]
    assert run["images"][0]["tag"].endswith(f"/spine/web:{revision}")
    registry = f"http://{slipway.where['registry'].removeprefix('http://')}"
    for tag in (revision, "main", "latest", "tested"):
        head = urllib.request.Request(
            f"{registry}/v2/spine/web/manifests/{tag}",
            method="HEAD",
            headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
        )
        until(lambda: has(head) == digest, 60, lambda: f"{tag} is {has(head)}")  # noqa: B023 - used at once
    until(lambda: "passed" in str(messages_about(slipway, run["id"])), 10, lambda: "no message says passed")
    assert len(messages_about(slipway, run["id"])) == 1
    assert messages_about(slipway, run["id"])[0]["edits"]


def test_the_pages_show_what_happened(slipway: System) -> None:
    repository = slipway.repository("pages")
    revision = repository.commit("Something <b>bold</b>")
    repository.push()
    run = slipway.wait_run(revision)
    board, page = slipway.request("GET", "/"), slipway.request("GET", f"/runs/{run['id']}")
    assert run["id"] in board.text and "pages" in board.text
    assert revision[:7] in page.text and "<b>bold</b>" not in page.text
    assert revision[:7] in slipway.request("GET", "/environments").text
    log = slipway.request("GET", f"/api/v1/runs/{run['id']}/stages/unit/log")
    assert "fine" in log.text
    cell = slipway.cell("pages")
    assert cell["revision"] == revision and cell["healthy"] == cell["replicas"] == 1


def test_the_images_and_containers_carry_our_labels(slipway: System) -> None:
    revision = slipway.repository("labels").commit()
    subprocess.run(
        ["git", "push", "-q", "origin", "main"], cwd=slipway.work / "labels", check=True, capture_output=True
    )
    run = slipway.wait_run(revision)
    listing = ["docker", "ps", "-q", "--filter", "label=dev.slipway.project=labels"]
    ids = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()
    assert len(ids) == 2
    shown = json.loads(subprocess.run(["docker", "inspect", *ids], capture_output=True, check=True).stdout)
    home = json.loads(slipway.command("status", "--json"))["home_id"]
    for container in shown:
        labels = container["Config"]["Labels"]
        assert labels["dev.slipway.home"] == home
        assert labels["dev.slipway.revision"] == labels["org.opencontainers.image.revision"] == revision
        assert container["Config"]["Image"].endswith(run["images"][0]["digest"])


def test_a_commit_that_was_built_before_is_not_built_again(slipway: System) -> None:
    repository = slipway.repository("again")
    revision = repository.commit()
    repository.push()
    first = slipway.wait_run(revision)
    repository.git("branch", "same")
    repository.push("same")
    until(lambda: len(slipway.api("/runs?project=again")["items"]) == 2, 20, lambda: "no second run")
    second = slipway.wait_run(revision, project="again")
    assert second["id"] != first["id"] and second["state"] == "passed"
    log = slipway.request("GET", f"/api/v1/runs/{second['id']}/stages/build/log").text
    assert "was built before" in log
    skipped = {stage["name"] for stage in second["stages"] if stage["state"] == "skipped"}
    assert skipped == {"ci", "staging"}


def test_a_bare_dockerfile_needs_no_file_at_all(slipway: System) -> None:
    repository = slipway.repository("bare", {"Dockerfile": DOCKERFILE, "index.html": "bare\n"})
    revision = repository.commit()
    repository.push()
    run = slipway.wait_run(revision)
    assert run["state"] == "passed", run
    assert slipway.ask("staging.bare.slipway.localhost").text == "bare\n"


def test_several_refs_in_one_push_make_several_runs(slipway: System) -> None:
    repository = slipway.repository("refs")
    repository.commit("one")
    repository.push()
    first = repository.commit("two")
    repository.git("branch", "side", first)
    second = repository.commit("three")
    repository.git("push", "-q", "origin", "main", "side")
    assert slipway.wait_run(first)["state"] == "passed"
    assert slipway.wait_run(second)["state"] == "passed"
    delivery = slipway.api("/deliveries?limit=1")["items"][0]
    assert len(delivery["runs"]) == 2


def test_the_same_push_heard_twice_is_one_run(slipway: System) -> None:
    repository = slipway.repository("twice")
    revision = repository.commit()
    repository.push()
    slipway.wait_run(revision)
    line = f"{NEW} {revision} refs/heads/main\n"
    hook = [repository.bare / "hooks" / "post-receive"]
    done = subprocess.run(hook, input=line, cwd=repository.bare, capture_output=True, text=True, check=True, timeout=60)
    assert "already" in done.stdout + done.stderr
    assert len(slipway.api("/runs?project=twice")["items"]) == 1


def test_a_redeploy_under_load_loses_no_request(slipway: System) -> None:
    repository = slipway.repository("load")
    repository.commit()
    repository.push()
    port = slipway.where["proxy"]["http"]
    with Load(port=port, host="web.staging.load.slipway.localhost", path="/index.html") as load:
        for word in ("two", "three", "four"):
            revision = repository.commit(word, {"index.html": f"{word}\n"})
            repository.push()
            assert slipway.wait_run(revision)["state"] == "passed"
            until(partial(load.answers.__contains__, word), 10, lambda: f"{load.answers}")
    assert load.faults == []
    assert set(load.answers) == {"one", "two", "three", "four"}
    assert load.total > 300


def test_old_containers_are_gone_once_they_have_drained(slipway: System) -> None:
    repository = slipway.repository("drain")
    for word in ("one", "two"):
        repository.commit(word, service_files(word))
        repository.push()
    listing = ["docker", "ps", "-aq", "--filter", "label=dev.slipway.project=drain"]

    def left() -> int:
        return len(subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split())

    until(lambda: left() == 2, 20, lambda: f"{left()} containers are left")
    networks = ["docker", "network", "ls", "-q", "--filter", "label=dev.slipway.run"]
    assert subprocess.run(networks, capture_output=True, text=True, check=True).stdout.split() == []
