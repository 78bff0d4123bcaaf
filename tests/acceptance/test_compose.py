"""Repositories that say nothing to Slipway: a Compose file or a Dockerfile is all there is."""

from tests.system import DOCKERFILE, System

COMPOSE = """
services:
  web:
    build: .
    command: sh -c "echo $$WORD > /www/word.txt; exec httpd -f -p 8080 -h /www"
    environment: {WORD: "${WORD:-no} word"}
    expose: [8080]
    healthcheck: {test: [CMD, wget, -qO-, "http://127.0.0.1:8080/word.txt"], interval: 2s, retries: 15}
    restart: unless-stopped
  tests:
    build: tests
    profiles: [test]
    depends_on: [redis]
  redis:
    image: slipway/base-redis:local
    healthcheck: {test: redis-cli ping, interval: 2s, retries: 15}
"""
TESTS = 'FROM slipway/base-busybox:local\nCMD ["sh", "-c", "echo PING | nc -w 5 redis 6379 | grep PONG"]\n'
TARGETS = "FROM slipway/base-busybox:local AS test\nRUN false\n" + DOCKERFILE


def states(run: dict[str, object]) -> dict[str, str]:
    stages = run["stages"]
    assert isinstance(stages, list)
    return {stage["name"]: stage["state"] for stage in stages}


def test_a_compose_file_is_built_tested_beside_its_services_and_deployed(slipway: System) -> None:
    slipway.command("base", "build", "redis")
    files = {
        "compose.yaml": COMPOSE,
        ".env": "WORD=my\n",
        "Dockerfile": DOCKERFILE,
        "index.html": "one\n",
        "tests/Dockerfile": TESTS,
    }
    repository = slipway.repository("tray", files)
    revision = repository.commit("Nothing but Compose")
    repository.push()
    run = slipway.wait_run(revision)
    assert states(run) == dict.fromkeys(["source", "build", "test", "ci", "staging"], "passed"), run
    assert slipway.ask("web.staging.tray.slipway.test", "/word.txt").text == "my word\n"
    cell = slipway.cell("tray")
    assert (cell["service"].rpartition("/")[2], cell["state"]) == ("web", "live")


def test_the_tests_of_a_dockerfile_are_a_stage_before_anything_is_deployed(slipway: System) -> None:
    repository = slipway.repository("aim", {"Dockerfile": TARGETS, "index.html": "one\n"})
    broken = repository.commit("Tests that fail")
    repository.push()
    run = slipway.wait_run(broken)
    assert states(run) == {
        "source": "passed",
        "build": "passed",
        "test": "failed",
        "ci": "skipped",
        "staging": "skipped",
    }, run
