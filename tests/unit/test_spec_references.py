# ruff: noqa: E501 - a sentence that people read is tested in one piece
import pytest

from pipeline.spec import Spec, SpecProblems, load

SERVICES = "services: {web: , api: , db: {image: postgres}, redis: {image: redis}}\n"
STAGES = f"{SERVICES}stages:\n  build: {{build: all}}\n  it:\n"


def spec(text: str) -> Spec:
    return load({"slipway.yml": text.encode(), "Dockerfile": b""}, project="shop")


def problems(text: str) -> list[str]:
    with pytest.raises(SpecProblems) as caught:
        spec(text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("test: {in: web, run: x, with: [rediss]}", "no service 'rediss' — did you mean 'redis'?"),
        ("test: {in: db, run: x}", "'db' has an `image` and is never built; this takes a service that is"),
        ("test: {in: web, run: x, against: stagin}", "no environment 'stagin' — did you mean 'staging'?"),
        ("test: {in: web, run: x, with: [redis], restore: {into: db, run: y}}", "`into` takes a service that `with` names, not db"),
        ("test: {in: web, run: x, with: [redis], network: none}", "`network: none` reaches nothing, and `with` needs to be reached"),
        ("test: {in: web, run: x, restore: 5}", "`restore` takes a list, not 5"),
        ("test: {in: web, run: x, with: [db], restore: [{into: db, rum: y, run: z}]}", "unknown key `rum` — did you mean `run`?"),
        ("test: {in: web, run: x, with: [db], restore: {into: db}}", "`run` is missing"),
        ("test: {in: web, run: x, shards: 0}", "`shards` takes a number from 1 to 100, not 0"),
        ("test: {in: web, run: x, secrets: [a-b]}", "`secrets` takes names such as API_TOKEN, not a-b"),
        ("test: {in: web, run: x, reports: {junit: [out.xml]}}", "`junit` takes absolute paths such as /reports/*.xml, not out.xml"),
        ("test: {in: web, run: x, reports: {files: [/a/../b]}}", "`files` takes absolute paths such as /reports/*.xml, not /a/../b"),
        ("test: {in: web, run: x, network: pivate}", "`network` is private or localhost or none, not pivate — did you mean 'private'?"),
        ("task: {run: x}", "a task says exactly one of `image` and `in`"),
        ("task: {run: x, image: a, in: web}", "a task says exactly one of `image` and `in`"),
        ("task: {run: x, in: wob}", "no service 'wob' — did you mean 'web'?"),
        ("build: [db]", "'db' has an `image` and is never built; this takes a service that is"),
        ("deploy: {to: ci, services: [db]}", "'db' has an `image` and is never built; this takes a service that is"),
        ("{build: all, retry: 6}", "`retry` takes a number from 0 to 5, not 6"),
        ("{build: all, concurrency: A lane}", "`concurrency` takes a name of a-z, 0-9 and -, 40 at most, not A lane"),
        ("{build: all, when: {events: [pusch]}}", "`events` knows no pusch — did you mean 'push'?"),
        ("{build: all, when: {events: [qqq]}}", "`events` knows no qqq; there are: push, tag, pull_request, manual, schedule"),
    ],
)  # fmt: skip
def test_what_a_stage_says_holds_together(stage: str, said: str) -> None:
    line = (
        f"{STAGES}    {stage}"
        if not stage.startswith("{")
        else f"{SERVICES}stages:\n  build: {{build: all}}\n  it: {stage}"
    )
    assert [one.split(": ", 1)[1] for one in problems(line)] == [said]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services: {web: {image: a, build: {}}}", "slipway.yml:1 services.web: a service with an `image` is not built: leave out `image` or `build`"),
        ("services: {web: {builder: {run: x}}}", "slipway.yml:1 services.web: a builder says exactly one of `image` and `dockerfile`"),
        ("services: {web: {builder: {run: x, image: a, dockerfile: b}}}", "slipway.yml:1 services.web: a builder says exactly one of `image` and `dockerfile`"),
        ("services: {web: {depends_on: [dbb]}, db: {image: x}}", "slipway.yml:1 services.web: no service 'dbb' — did you mean 'db'?"),
        ("services: {a: {depends_on: [b]}, b: {depends_on: [a]}}", "slipway.yml:1 services.a: services wait for each other: a → b → a"),
        ("services: {web: {volumes: {data: data}}}", "slipway.yml:1 services.web: `volumes` takes absolute paths in the container; data has data"),
        ("links: {Wiki: 'javascript:alert(1)'}", "slipway.yml:1: `links` takes http and https addresses; Wiki has javascript:alert(1)"),
        ("retention: {images: 0}", "slipway.yml:1: `images` takes a number from 1 to 10000, not 0"),
        ("retention: {runs: 5h}", "slipway.yml:1: `runs` takes a number of days such as 90d, not 5h"),
        ("trigger: {schedule: {cron: '0 3 * *'}}", "slipway.yml:1 trigger.schedule: `cron` takes five fields such as `0 3 * * *`, not 0 3 * *"),
        ("trigger:\n  schedule:\n    - cron: '61 3 * * *'", "slipway.yml:3 trigger.schedule: `cron` takes five fields such as `0 3 * * *` that come true one day, not 61 3 * * *"),
        ("trigger: {schedule: {cron: '0 0 30 2 *'}}", "slipway.yml:1 trigger.schedule: `cron` takes five fields such as `0 3 * * *` that come true one day, not 0 0 30 2 *"),
        ("trigger: {schedule: [{cron: '0 3 * * *', stages: [biuld]}]}", "slipway.yml:1 trigger.schedule: no stage 'biuld' — did you mean 'build'?"),
        ("trigger: {schedule: [{cron: '0 3 * * *', stage: [build]}]}", "slipway.yml:1 trigger.schedule: unknown key `stage` — did you mean `stages`?"),
        ("trigger: {skip: 1}", "slipway.yml:1 trigger: `skip` is true or false, not 1"),
        ("compose: ../up.yaml", "slipway.yml:1: `compose` takes a path inside the repository, not ../up.yaml"),
    ],
)  # fmt: skip
def test_what_services_and_the_file_say_holds_together(text: str, said: str) -> None:
    assert problems(text) == [said]


def test_one_group_of_keys_stands_for_a_list_of_one() -> None:
    made = spec(
        "trigger: {schedule: {cron: '0 3 * * *', stages: [build]}}\n"
        + STAGES
        + "    test: {in: web, with: [db], run: x, restore: {into: db, file: a.sql, run: psql}}"
    )
    assert [one.cron for one in made.trigger.schedule] == ["0 3 * * *"]
    test = made.stages["it"].test
    assert test is not None
    assert [(one.service, one.file, one.run) for one in test.restore] == [("db", "a.sql", ("sh", "-c", "psql"))]


def test_every_wrong_name_of_a_file_is_told_at_once() -> None:
    found = problems(f"{STAGES}    test: {{in: wob, with: [rediss, api], against: nowhere, run: x, shards: none}}")
    assert len(found) == 4
