# ruff: noqa: E501 - a sentence that people read is tested in one piece
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.spec import Spec, SpecProblems, from_json, load, to_json

SHOP = b"""\
name: shop
x-level: &level {LEVEL: info}
services:
  web:
    build: ./web
    environment: {API_URL: "http://api:8000", <<: *level}
    expose: ["8080"]
    depends_on: {api: {condition: service_healthy}}
    healthcheck: {test: ["CMD", "wget", "-qO-", "http://127.0.0.1:8080/healthz"], interval: 2s, retries: 15, timeout: 3s}
    stop_grace_period: 1m30s
    restart: unless-stopped
  api:
    build: {context: api, target: runtime, args: [A=1], secrets: [TOKEN]}
    environment: ["DATABASE_URL=postgresql://shop:${DB_PASSWORD:-shop}@db/shop", "PRICE=$$5"]
    ports: ["127.0.0.1:8000:8000"]
    command: python3 -m shop --name "my shop"
    deploy: {replicas: 2}
  tests:
    build: tests
    profiles: [test]
    depends_on: [api]
  db:
    image: postgres:17
    volumes: ["db:/var/lib/postgresql/data"]
    healthcheck: {test: pg_isready, start_period: 10s}
  redis: {image: redis, ports: [6379]}
volumes: {db: {}}
"""


def spec(compose: bytes, slipway: bytes | None = None) -> Spec:
    there = {"compose.yaml": compose}
    return load(there | ({} if slipway is None else {"slipway.yml": slipway}), project="shop")


def problems(files: dict[str, bytes]) -> list[str]:
    with pytest.raises(SpecProblems) as caught:
        load(files, project="shop")
    return [str(problem) for problem in caught.value.problems]


def test_a_compose_file_is_all_a_project_needs() -> None:
    made = spec(SHOP)
    assert list(made.services) == ["web", "api", "tests", "db", "redis"]
    assert [(name, stage.kind, stage.needs) for name, stage in made.stages.items()] == [
        ("build", "build", ()),
        ("test", "test", ("build",)),
        ("ci", "deploy", ("test",)),
        ("staging", "deploy", ("ci",)),
    ]
    assert made.builds("build") == ("web", "api", "tests")
    assert made.uses("ci") == ("web", "api")
    assert made.compose == ("compose.yaml",)
    assert from_json(to_json(made)) == made


def test_services_of_compose_keep_what_they_say() -> None:
    made = spec(SHOP).services
    web, api, db = made["web"], made["api"], made["db"]
    assert (web.build.context, web.port, web.drain, web.depends_on) == ("web", 8080, 90.0, ("api",))
    assert (web.health.path, web.health.timeout, web.health.within) == ("/healthz", 3.0, 30.0)
    assert web.env == {"API_URL": "http://api:8000", "LEVEL": "info"}
    assert (api.build.target, api.build.args, api.build.secrets) == ("runtime", {"A": "1"}, ("TOKEN",))
    assert api.env == {"DATABASE_URL": "postgresql://shop:shop@db/shop", "PRICE": "$5"}
    assert (api.port, api.command) == (8000, ("python3", "-m", "shop", "--name", "my shop"))
    assert (db.image, db.volumes) == ("postgres:17", {"db": "/var/lib/postgresql/data"})
    assert db.ready is not None
    assert (db.ready.run, db.ready.within) == (("sh", "-c", "pg_isready"), 100.0)
    assert made["redis"].ready is not None
    assert made["redis"].ready.port == 6379


def test_a_service_with_the_profile_test_is_run_beside_what_it_depends_on() -> None:
    test = spec(SHOP).stages["test"].test
    assert test is not None
    assert (test.service, test.run, test.backing) == ("tests", None, ("api",))
    alone = spec(SHOP.replace(b"    depends_on: [api]\n", b"")).stages["test"].test
    assert alone is not None
    assert alone.backing == ("db", "redis")


def test_slipway_yml_adds_to_compose_and_has_the_last_word() -> None:
    made = spec(SHOP, b"services: {web: {port: 9000, health: {rise: 2}, env: {LEVEL: debug}}, mail: {image: mailpit}}")
    web = made.services["web"]
    assert (web.port, web.health.path, web.health.rise) == (9000, "/healthz", 2)
    assert web.env == {"API_URL": "http://api:8000", "LEVEL": "debug"}
    assert made.services["mail"].image == "mailpit"


def test_a_service_that_compose_does_not_have_is_told_with_the_likely_one() -> None:
    found = problems({"compose.yaml": SHOP, "slipway.yml": b"services:\n  wbe: {port: 80}"})
    assert found == ["slipway.yml:2 services.wbe: no service 'wbe' in compose.yaml — did you mean 'web'?; one of its own says `build` or `image`"]  # fmt: skip


def test_no_compose_file_is_read_where_slipway_yml_wants_none() -> None:
    made = load({"compose.yaml": b"services: 5", "slipway.yml": b"compose: []", "Dockerfile": b""}, project="shop")
    assert list(made.services) == ["shop"]


def test_later_files_are_put_over_the_ones_before_as_compose_does() -> None:
    more = b"""
services:
  web: {build: {target: prod}, environment: [LEVEL=warn], expose: [9000, "8080"]}
  db: {image: "postgres:18", volumes: ["logs:/logs"]}
"""
    files = {
        "compose.yaml": SHOP,
        "deploy/more.yaml": more,
        "slipway.yml": b"compose: [compose.yaml, deploy/more.yaml]",
    }
    made = load(files, project="shop").services
    assert (made["web"].build.context, made["web"].build.target, made["web"].port) == ("web", "prod", 8080)
    assert made["web"].env["LEVEL"] == "warn"
    assert made["db"].image == "postgres:18"
    assert made["db"].volumes == {"db": "/var/lib/postgresql/data", "logs": "/logs"}


def test_paths_are_those_of_the_first_files_directory() -> None:
    files = {
        "ops/up.yaml": b"services: {web: {build: ../web, env_file: [app.env, {path: none.env, required: false}], environment: [B, A=3]}}",
        "ops/app.env": b"A=1\nC='x # y'\n",
        "ops/.env": b"B=2\n",
        "slipway.yml": b"compose: ops/up.yaml",
    }  # fmt: skip
    web = load(files, project="shop").services["web"]
    assert web.build.context == "web"
    assert web.env == {"A": "3", "B": "2", "C": "x # y"}


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("image: x, prots: [80]", "unknown key `prots` — did you mean `ports`?"),
        ("image: x, ports: 80", "`ports` takes a list, not 80"),
        ("image: x, ports: [80/udp]", "`ports` takes one tcp port of the container, not 80/udp"),
        ("image: x, ports: ['80-90']", "`ports` takes one tcp port of the container, not 80-90"),
        ("image: x, privileged: true", "`privileged` is not supported: containers get no rights on the machine"),
        ("image: x, entrypoint: y", "`entrypoint` is not supported: say it in the Dockerfile"),
        ("image: x, network_mode: host", "`network_mode` is not supported: each run and each environment has a network of its own, where services have their names"),
        ("image: x, volumes: ['./data:/data']", "./data is a directory of one machine: put what it holds into the image, or name a volume"),
        ("image: x, volumes: ['/data:/data:ro']", "/data is a directory of one machine: put what it holds into the image, or name a volume"),
        ("image: x, volumes: [{type: bind, source: /a, target: /b}]", "/a is a directory of one machine: put what it holds into the image, or name a volume"),
        ("build: {context: ../up}", "`context` takes a directory of the repository, not ../up"),
        ("build: 'https://git.test/a.git'", "`context` takes a directory of the repository, not https://git.test/a.git"),
        ("build: {context: ., ssh: [default]}", "`ssh` is not supported: use `secrets`"),
        ("ports: [80]", "a service has an `image` or a `build`"),
        ("image: x, command: 'a \"b'", "`command` has a quote that is not closed: a \"b"),
        ("image: x, env_file: no.env", "`env_file` names no.env, which is not in this commit"),
        ("image: x, env_file: ../../etc/passwd", "`env_file` names ../../etc/passwd, which is not in this commit"),
        ("image: '${TAG}'", "$TAG has no value: give it one in .env, or write ${TAG:-default}"),
        ("image: '${TAG:?name a tag}'", "$TAG has no value: name a tag"),
        ("image: 'a$-b'", "`$` begins a variable: write $$ for the sign itself in a$-b"),
        ("image: '${TAG'", "a brace is not closed in ${TAG"),
        ("image: x, depends_on: {web: {condition: service_completed_successfully}}", "waiting for web to end is not supported: run it as a stage, or in `restore` of one"),
        ("image: x, depends_on: [rediss]", "no service 'rediss'; there are: web"),
        ("image: x, healthcheck: {test: y, interval: fast}", "`interval` takes a time like 5s, not fast"),
        ("image: x, deploy: {resources: {}}", "`resources` is not supported: limits are settings of Slipway"),
        ("image: x, <<: 5", "`<<` takes keys and values, or a list of them"),
    ],
)  # fmt: skip
def test_what_compose_says_and_this_cannot_do_is_told_with_its_line(service: str, said: str) -> None:
    found = problems({"compose.yaml": f"services:\n\n  web: {{{service}}}".encode()})
    assert [one for one in found if "/" not in one.split(":")[0]][:1] == [f"compose.yaml:3 services.web: {said}"]


def test_problems_of_all_files_are_told_at_once() -> None:
    found = problems(
        {
            "compose.yaml": b"services: {web: {image: x, prots: []}}\nvolums: {}",
            "slipway.yml": b"compose: [compose.yaml, gone.yaml]\nnane: x",
            ".env": b"A=1\n?",
        }
    )
    assert [one.split(" ")[0].rstrip(":") for one in found] == [
        "slipway.yml:1",
        "slipway.yml:2",
        ".env:2",
        "compose.yaml:1",
        "compose.yaml:2",
    ]


def test_a_wrong_value_in_compose_is_told_where_compose_says_it() -> None:
    found = problems({"compose.yaml": b"services:\n  web:\n    build:\n      context: .\n      secrets: [a-b]"})
    assert found == ["compose.yaml:5 services.web: `secrets` takes names such as API_TOKEN, not a-b"]


@pytest.mark.parametrize(
    ("dockerfile", "stages"),
    [
        (b"FROM a\n", ["build", "ci", "staging"]),
        (b"FROM a AS base\nFROM base AS test\nRUN make test\nFROM base\n", ["build", "test", "ci", "staging"]),
        (b"from a as base\nfrom base as test\nCMD make test\nfrom base\n", ["build", "test", "ci", "staging"]),
    ],
)
def test_a_target_named_test_is_a_test_stage(dockerfile: bytes, stages: list[str]) -> None:
    assert list(load({"Dockerfile": dockerfile}, project="shop").stages) == stages


def test_a_test_target_is_run_if_it_says_what_and_else_its_build_is_the_test() -> None:
    built = load({"Dockerfile": b"FROM a AS test\nRUN make test\nFROM a\n"}, project="shop")
    assert (built.builds("build"), built.builds("test")) == (("shop",), ("test",))
    ran = load({"Dockerfile": b"FROM a AS test\nCMD make test\nFROM a\n"}, project="shop")
    assert (ran.builds("build"), ran.stages["test"].kind) == (("shop", "test"), "test")
    for made in (built, ran):
        assert (made.main, made.uses("ci"), made.services["test"].build.target) == ("shop", ("shop",), "test")
        assert made.stages["ci"].needs == ("test",)


def test_backing_services_alone_leave_the_dockerfile_its_service() -> None:
    made = load({"Dockerfile": b"FROM a", "compose.yaml": b"services: {db: {image: postgres}}"}, project="shop")
    assert (list(made.services), made.main) == (["db", "shop"], "shop")


def test_what_has_nothing_to_build_or_to_deploy_gets_no_stage_for_it() -> None:
    backing = load({"compose.yaml": b"services: {db: {image: postgres}}"}, project="shop")
    assert dict(backing.stages) == {}
    tests = load({"compose.yaml": b"services: {tests: {build: ., profiles: [test]}}"}, project="shop")
    assert list(tests.stages) == ["build", "test"]


def test_a_deployment_of_nothing_is_told_with_its_line() -> None:
    stages = b"stages:\n  build: {build: all}\n  staging:\n    deploy: staging\n"
    said = (
        "slipway.yml:4 stages.staging: this deploys nothing: no service is built here, or all that are have a profile"
    )
    for service in (b"{image: postgres}", b"{build: ., profiles: [test]}"):
        assert problems({"slipway.yml": stages, "compose.yaml": b"services: {one: " + service + b"}"}) == [said]


def test_variables_cannot_make_a_file_too_large() -> None:
    env = b"A=" + b"x" * 60_000
    found = problems({"compose.yaml": b"services: {web: {image: '" + b"${A}" * 50_000 + b"'}}", ".env": env})
    assert "the variables make this too large" in found[0]


def test_a_problem_in_every_kind_of_place_keeps_its_file() -> None:
    value: dict[str, Any] = {"compose.yaml": b"services:\n  web: {image: x}\n  to: {image: y}\n"}
    assert problems(value | {"Dockerfile": b""})[0].startswith("compose.yaml:3 services.to: ")


words = st.sampled_from(
    ["services", "web", "image", "build", "context", "args", "environment", "ports", "expose", "volumes", "depends_on", "test",
     "healthcheck", "interval", "profiles", "command", "env_file", "<<", "${A:-b}", "$", "a:/b", "8080", "CMD", "secrets", "x-y"]
)  # fmt: skip
leaves = words | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=4), inner, max_size=4),
    max_leaves=25,
)


def settle(files: dict[str, bytes]) -> None:
    try:
        made = load(files, project="shop")
    except SpecProblems as error:
        assert error.problems
        assert "Input should" not in "\n".join(error.tail)
        "\n".join(error.tail).encode()
    else:
        assert from_json(json.loads(json.dumps(to_json(made)))) == made


@given(st.dictionaries(words, trees, max_size=4))
@settings(max_examples=100, deadline=None)
def test_any_service_gives_a_spec_or_sentences(service: dict[str, Any]) -> None:
    settle({"compose.yaml": json.dumps({"services": {"web": {"image": "x"} | service}}).encode()})


@given(trees, trees, st.text(max_size=20))
@settings(max_examples=100, deadline=None)
def test_any_two_files_give_a_spec_or_sentences(first: Any, second: Any, env: str) -> None:
    names = b"compose: [a.yaml, b.yaml]"
    files = {"a.yaml": first, "b.yaml": {"services": {"web": second}}}
    written = {name: json.dumps(value).encode() for name, value in files.items()}
    settle(written | {"slipway.yml": names, ".env": env.encode(errors="replace")})
