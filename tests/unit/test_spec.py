# ruff: noqa: E501 - a sentence that people read is tested in one piece
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from commands.config_files import DirectoryFiles
from pipeline.compose_schema import native
from pipeline.errors import StageFailed
from pipeline.health import HealthCheck
from pipeline.spec import CANDIDATES, Spec, SpecProblems, from_json, load, schema, to_json
from pipeline.spec_load import read
from pipeline.spec_model import PARTS

ROOT = Path(__file__).resolve().parents[2]
SHOP = """\
name: shop
services:
  web:
    build: {context: web, args: {VERSION: 1.10, DEBUG: true}}
    port: 8080
    health: {path: /healthz, timeout: 500ms, within: 1m, rise: 2}
    drain: 0s
    main: true
  api: {build: {context: ./api/, target: runtime}}
stages:
  build: {build: all, timeout: 20m}
  unit:
    test: {in: api, run: python3 -m pytest -q, env: {LEVEL: 3}, network: none}
    silence: 1h30m
  live: {test: {in: web, run: [sh, /test.sh]}, needs: [build]}
  ci: {deploy: ci, needs: [unit, live]}
  staging: {deploy: {to: staging, services: [web]}, when: {branches: [main, "release/*"]}}
environments:
  ci:
  staging: {branches: [main]}
x-owner: team-shop
"""


def spec(text: str | bytes, *, dockerfile: bool = False, project: str = "shop") -> Spec:
    data = text.encode() if isinstance(text, str) else text
    files = {"slipway.yml": data} | ({"Dockerfile": b"FROM scratch"} if dockerfile else {})
    return load(files, project=project)


def problems(text: str | bytes, *, dockerfile: bool = True) -> list[str]:
    with pytest.raises(SpecProblems) as caught:
        spec(text, dockerfile=dockerfile)
    return [str(problem) for problem in caught.value.problems]


def test_a_whole_file_is_read() -> None:
    shop = spec(SHOP)
    web = shop.services["web"]
    assert (shop.name, shop.branch, shop.main) == ("shop", "main", "web")
    assert (web.port, web.drain, web.build.context) == (8080, 0.0, "web")
    assert web.check == HealthCheck(path="/healthz", timeout=0.5, within=60.0, rise=2)
    assert (shop.services["api"].build.context, shop.services["api"].build.target) == ("api", "runtime")
    assert shop.stages["build"].timeout == 1200
    assert shop.stages["unit"].silence == 5400
    assert shop.environments["staging"].branches == ("main",)


def test_the_example_of_the_reference_is_a_good_file() -> None:
    page = (ROOT / "docs" / "reference" / "slipway-yml.md").read_text()
    example = page.split("## An example with every key")[1].split("```yaml\n")[1].split("```")[0]
    stages = ["build", "unit-api", "integration", "scan", "ci", "live", "staging", "pack"]
    assert list(spec(example).stages) == stages
    assert list(Draft202012Validator(schema()).iter_errors(native(read(example.encode()).value))) == []


def test_the_example_of_the_reference_has_every_key_there_is() -> None:
    page = (ROOT / "docs" / "reference" / "slipway-yml.md").read_text()
    example = page.split("## An example with every key")[1].split("```yaml\n")[1].split("```")[0]
    known = {field.alias or name for part in PARTS.values() for name, field in part.model_fields.items()}
    # Said in Compose's way or only where something else is left out.
    assert {key for key in known if f"{key}:" not in example} == set()


def test_the_sample_shop_is_a_good_file() -> None:
    shop = load(DirectoryFiles(ROOT / "examples" / "shop"), project="shop")
    assert (shop.main, shop.services["web"].port, shop.services["redis"].image) == (
        "web",
        8080,
        "slipway/base-redis:local",
    )
    assert shop.uses("staging") == ("web", "api")


def test_arguments_keep_the_words_of_the_file() -> None:
    shop = spec(SHOP)
    assert shop.services["web"].build.args == {"VERSION": "1.10", "DEBUG": "true"}
    assert shop.stages["unit"].test is not None
    assert shop.stages["unit"].test.env == {"LEVEL": "3"}


def test_a_command_in_one_line_is_given_to_the_shell_and_a_list_is_not() -> None:
    shop = spec(SHOP)
    assert shop.stages["unit"].test is not None
    assert shop.stages["unit"].test.run == ("sh", "-c", "python3 -m pytest -q")
    assert shop.stages["live"].test is not None
    assert shop.stages["live"].test.run == ("sh", "/test.sh")


def test_a_stage_needs_the_one_before_it_unless_it_says_otherwise() -> None:
    needs = {name: stage.needs for name, stage in spec(SHOP).stages.items()}
    assert needs == {
        "build": (),
        "unit": ("build",),
        "live": ("build",),
        "ci": ("unit", "live"),
        "staging": ("ci",),
    }


def test_on_and_no_are_words_and_not_booleans() -> None:
    assert spec("branch: on\ndescription: no", dockerfile=True).branch == "on"


def test_a_dockerfile_needs_no_file() -> None:
    made = load({"Dockerfile": b"FROM scratch"}, project="shop")
    assert (made.main, made.services["shop"].port, made.services["shop"].build.context) == ("shop", None, ".")
    assert [(name, stage.kind) for name, stage in made.stages.items()] == [
        ("build", "build"),
        ("ci", "deploy"),
        ("staging", "deploy"),
    ]
    assert made.stages["staging"].needs == ("ci",)


def test_an_empty_file_is_the_same_as_none() -> None:
    assert spec("# nothing yet\n", dockerfile=True) == load({"Dockerfile": b""}, project="shop")


def test_the_projects_default_branch_holds_where_the_file_names_none() -> None:
    assert load({"Dockerfile": b""}, project="shop", default_branch="trunk").branch == "trunk"
    assert (
        load({"slipway.yml": b"branch: dev", "Dockerfile": b""}, project="shop", default_branch="trunk").branch == "dev"
    )


def test_neither_file_nor_dockerfile_says_what_to_add() -> None:
    with pytest.raises(
        StageFailed,
        match=r"neither this file nor a Dockerfile or a compose\.yaml at the root of the repository; add one",
    ) as caught:
        load({}, project="shop")
    assert caught.value.code == "bad_config"


def test_a_file_without_services_and_no_dockerfile_is_told_what_to_add() -> None:
    assert problems("name: shop", dockerfile=False) == [
        "slipway.yml:1 services: there is no service: add a Dockerfile at the root, a compose.yaml, or a service here"
    ]


def test_two_files_are_one_too_many() -> None:
    with pytest.raises(SpecProblems, match=r"\.slipway\.yml: slipway\.yml is there too; keep one"):
        load({"slipway.yml": b"", ".slipway.yml": b"", "Dockerfile": b""}, project="shop")


@pytest.mark.parametrize("name", CANDIDATES[:3])
def test_a_problem_names_the_file_it_is_in(name: str) -> None:
    with pytest.raises(SpecProblems, match="unknown key") as caught:
        load({name: b"nane: shop", "Dockerfile": b""}, project="shop")
    assert str(caught.value.problems[0]) == f"{name}:1: unknown key `nane` — did you mean `name`?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stages:\n  build: {build: all, need: []}", "2 stages.build: unknown key `need` — did you mean `needs`?"),
        ("stages:\n  t:\n    test: {in: shop, run: x, retry: 2}", "3 stages.t: unknown key `retry`: it belongs to the stage, one level up"),
        ("stages:\n  t:\n    test: {in: shop, run: x, reports: {retry: 2}}", "3 stages.t: unknown key `retry`: it belongs to the stage, two levels up"),
        ("stages: {t: {task: {image: x, run: y, junit: [/a.xml]}}}", "1 stages.t: unknown key `junit`: it belongs to `reports`, one level down"),
        ("trigger: {branches: [a]}", "1 trigger: unknown key `branches`: it belongs to `push` or `pull_request`, one level down"),
        ("stages: {build: all}", "1 stages.build: `build` takes keys and values, not all: write `build: {build: all}`"),
        ("stages: {ci: staging}", "1 stages.ci: `ci` takes keys and values, not staging: write `ci: {deploy: ENVIRONMENT}`"),
        ("stages:\n\tbuild: {build: all}", "2: this is not YAML: a tab stands here; indent with spaces"),
        ("services: {web: {qqqqq: 1}}", "1 services.web: unknown key `qqqqq`; there are: image, build, builder, release, command, env, volumes, depends_on, profiles, ready, port, health, drain, main, paths, paths_ignore"),
        ("stages:\n  build:\n    build: all\n    timeout: 900", "4 stages.build: `timeout` takes a time like 5m, not 900"),
        ("stages: {build: {build: all, silence: 0s}}", "1 stages.build: `silence` takes a time like 5m, not 0s"),
        ("stages: {build: {build: all, timeout: 8d}}", "1 stages.build: `timeout` can be 7d at most, not 8d"),
        ("stages: {build: {build: all, timeout: }}", "1 stages.build: `timeout` takes a time like 5m, not nothing"),
        ("services: {web: {port: http}}", "1 services.web: `port` takes a port from 1 to 65535, not http"),
        ("services: {web: {port: 0}}", "1 services.web: `port` takes a port from 1 to 65535, not 0"),
        ("services: {web: {port: '80'}}", "1 services.web: `port` takes a port from 1 to 65535, not 80"),
        ("services: {web: {main: yes}}", "1 services.web: `main` is true or false, not yes"),
        ("services: {web: {health: {rise: -1}}}", "1 services.web: `rise` takes a number from 1 to 100, not -1"),
        ("services: {web: {health: {path: healthz}}}", "1 services.web: `path` takes a path such as /healthz, not healthz"),
        ("services: {web: {health: 5}}", "1 services.web: `health` takes keys and values, not 5"),
        ("services: {web: [a]}", "1 services.web: `web` takes keys and values, not a list"),
        ("services: 5", "1 services: `services` takes keys and values, not 5"),
        ("services: {web: {build: {args: {a-b: 1}}}}", "1 services.web: `args` has a name that no variable can have: a-b"),
        ("services: {web: {build: {args: {A: }}}}", "1 services.web: `args` gives A nothing; it takes a text"),
        ("services: {web: {build: {args: 3}}}", "1 services.web: `args` takes keys and values, not 3"),
        ("version: 2", "1: `version` is 1, not 2"),
        ("name: Shop", "1: `name` cannot be used: project name 'Shop' must be 1 to 40 of a-z, 0-9 and -, not starting or ending with -"),
        ("branch:", "1: `branch` is empty"),
        ("branch: [main]", "1: `branch` takes a text, not a list"),
        ("environments: {ci: {strategy: canary}, staging: }", "1 environments.ci: `strategy` is rolling, not canary"),
        ("environments: {ci: {branches: main}, staging: }", "1 environments.ci: `branches` takes a list such as [main], not main"),
        ("environments: {ci: , to: }", "1 environments.to: environment name 'to' is a word of the chat grammar; choose another"),
        ("services: {web: , api: }\nenvironments: {ci: , web: }", "2 environments.web: environment 'web' has the name of a service; choose another"),
        ("services: {a: {main: true}, b: {main: true}}", "1 services.b: only one service is the main one, and 'a' is"),
        ("- a", "1: the file must hold keys and values such as `services:`"),
        ("stages: {source: {build: all}}", "1 stages.source: a stage named 'source' comes before all others by itself; choose another name"),
    ],
)  # fmt: skip
def test_one_problem_one_sentence(text: str, said: str) -> None:
    assert problems(text) == [f"slipway.yml:{said}"]


@pytest.mark.parametrize("path", ["../up", "/etc", "a/../../b", "-x", "':/x'", "a\\b", '""', '"a\\nb"'])
@pytest.mark.parametrize("key", ["context", "dockerfile"])
def test_g13_a_build_path_stays_inside_the_repository(key: str, path: str) -> None:
    (problem,) = problems(f"services: {{web: {{build: {{{key}: {path}}}}}}}")
    assert f"`{key}` takes a path inside the repository" in problem


STAGES = "services: {web: , redis: }\nstages:\n  build: {build: all}\n  integration:\n"


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("test: {in: rediss, run: x}", "5 stages.integration: no service 'rediss' — did you mean 'redis'?"),
        ("test: {in: qq, run: x}", "5 stages.integration: no service 'qq'; there are: web, redis"),
        ("build: [wob]", "5 stages.integration: no service 'wob' — did you mean 'web'?"),
        ("build: []", "5 stages.integration: `build` takes `all` or a list of services, not a list"),
        ("deploy: stagin", "5 stages.integration: no environment 'stagin' — did you mean 'staging'?"),
        ("deploy: {to: ci, services: [wob]}", "5 stages.integration: no service 'wob' — did you mean 'web'?"),
        ("deploy: {services: all}", "5 stages.integration: `to` is missing"),
        ("test: {in: web}", "5 stages.integration: `run` is missing"),
        ("test: {in: web, run: ' '}", "5 stages.integration: `run` is empty"),
        ("test: {in: web, run: []}", "5 stages.integration: `run` is empty"),
        ("test: {in: web, run: {}}", "5 stages.integration: `run` takes a text, not keys and values"),
        ("test: {in: web, run: x, network: host}", "5 stages.integration: `network` is private or localhost or none, not host — did you mean 'localhost'?"),
        ("title: x", "4 stages.integration: a stage does exactly one of build, test, deploy, task; this one says none of them"),
    ],
)  # fmt: skip
def test_what_a_stage_names_must_be_there(stage: str, said: str) -> None:
    assert f"slipway.yml:{said}" in problems(f"{STAGES}    {stage}")


def test_a_stage_does_one_thing() -> None:
    found = problems(f"{STAGES}    test: {{in: web, run: x}}\n    deploy: staging")
    assert found == [
        "slipway.yml:4 stages.integration: a stage does exactly one of build, test, deploy, task; this one says test, deploy"
    ]


def test_stages_in_a_circle_are_shown_as_one() -> None:
    text = "stages:\n  a: {build: all, needs: [c]}\n  b: {deploy: ci, needs: [a]}\n  c: {deploy: staging, needs: [b]}\n"
    assert problems(text) == ["slipway.yml:2 stages.a: stages form a circle: a → b → c → a"]


def test_a_need_that_is_not_there() -> None:
    text = "stages:\n  build: {build: all}\n  ci:\n    deploy: ci\n    needs:\n    - biuld"
    assert problems(text) == ["slipway.yml:6 stages.ci: no stage 'biuld' — did you mean 'build'?"]


@pytest.mark.parametrize(
    "stages",
    ["{ci: {deploy: ci}}", "{build: {build: [web]}, ci: {deploy: {to: ci, services: [api]}}}", "{build: {build: all}, ci: {test: {in: api, run: x}, needs: []}}"],
)  # fmt: skip
def test_what_a_stage_uses_must_have_been_built_before_it(stages: str) -> None:
    assert any("no stage before this one builds service 'api'" in one for one in problems(f"services: {{web: , api: }}\nstages: {stages}"))  # fmt: skip


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(SpecProblems) as caught:
        spec("nane: a\nservices:\n  web: {prot: 1}\nstages:\n  ci: {deploy: nowhere, timeout: 5}")
    error = caught.value
    assert [problem.line for problem in error.problems] == [1, 3, 5, 5]
    assert error.sentence == "slipway.yml:1: unknown key `nane` — did you mean `name`? — and 3 more"
    assert error.tail == tuple(str(problem) for problem in error.problems)
    assert (error.code, isinstance(error, StageFailed)) == ("bad_config", True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: 1\na: 2", "1: key `a` is given twice: lines 1 and 2"),
        (b"a: [", "1: this is not YAML: "),
        (b"a: 1\n\xff", "2: this is not UTF-8 text"),
        (b"a: 1\n---\nb: 2", "3: a second document begins here; the file holds one"),
        (b"a: *b", "1: alias *b has no anchor before it"),
        (b"a: &a [*a]", "1: alias *a has no anchor before it"),
        (b"a: !!python/object:os.system x", "1: tags such as "),
        (b"? [a]\n: b", "1: a key must be one word"),
        (b"[" * 100_000, "1: this is nested deeper than 32"),
        (b"a:\n" + b" - " * 40, "2: this is nested deeper than 32"),
        (b"name: " + b"a" * 262_144, "1: the file is larger than 256 KiB"),
        (b"- a\n" * 30_000, "19998: more than 20000 values"),
        (b"a: &a x\nb: [" + b"*a," * 101 + b"]", "2: more than 100 aliases"),
        (b'name: "\\0"', "1: the character U+0000 cannot be used"),
        (b'name: "\\uD800"', "1: the character U+D800 cannot be used"),
        (b'"\\e[31m": 1', "1: the key `�[31m` holds a character that cannot be used"),
    ],
)
def test_what_is_not_usable_yaml_names_its_line(text: bytes, said: str) -> None:
    assert any(f"slipway.yml:{said}" in one for one in problems(text)), problems(text)


def test_an_alias_bomb_is_stopped_by_its_size() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert "the aliases make this too large" in problems("\n".join(lines))[0]


def test_anchors_that_mean_well_work() -> None:
    made = spec("x-health: &health {path: /up}\nservices: {a: {health: *health}, b: {health: *health}}")
    assert made.services["a"].health.path == made.services["b"].health.path == "/up"


def test_x_keys_are_ignored_at_every_level() -> None:
    text = "x-a: 1\nservices: {web: {x-b: [1], build: {x-c: }}}\nstages: {build: {build: all, x-d: 1}}"
    assert spec(text).services["web"].build.context == "."


def test_a_huge_number_is_a_sentence() -> None:
    assert "takes a port" in problems("services: {web: {port: " + "9" * 6000 + "}}")[0]


def test_a_spec_survives_json() -> None:
    shop = spec(SHOP)
    assert from_json(json.loads(json.dumps(to_json(shop)))) == shop


def test_stored_json_that_is_no_longer_understood_is_told_as_such() -> None:
    with pytest.raises(SpecProblems, match=r"the stored configuration services\.web: unknown key `colour`"):
        from_json(to_json(spec(SHOP)) | {"services": {"web": {"colour": 1}}})


def test_the_schema_names_the_keys_as_they_are_written() -> None:
    made = schema()
    assert set(made["properties"]) >= {"version", "name", "services", "stages", "environments"}
    assert "in" in made["$defs"]["Test"]["properties"]
    assert made["$defs"]["Stage"]["properties"]["timeout"]["anyOf"][0]["type"] == "string"
    assert "required" not in made
    json.dumps(made)


words = st.sampled_from(
    ["services", "stages", "environments", "name", "branch", "build", "test", "deploy", "in", "run", "to", "needs", "when",
     "branches", "port", "health", "path", "main", "drain", "timeout", "env", "args", "web", "ci", "all", "5m", "x-y", "source"]
)  # fmt: skip
leaves = words | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=4), inner, max_size=4),
    max_leaves=25,
)


def settle(data: bytes) -> None:
    try:
        made = load({"slipway.yml": data, "Dockerfile": b""}, project="shop")
    except SpecProblems as error:
        text = "\n".join(error.tail)
        assert error.problems
        assert "Input should" not in text
        assert "Extra inputs" not in text
        text.encode()
    else:
        assert from_json(json.loads(json.dumps(to_json(made)))) == made


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_a_spec_or_sentences(data: bytes) -> None:
    settle(data)


@given(st.text(alphabet="abc:-[]{}&*!|>'\"#%@`?,\n \t\\0x~\u0085\u2028\ufeff", max_size=60))
@settings(max_examples=100, deadline=None)
def test_anything_that_looks_like_yaml_gives_a_spec_or_sentences(text: str) -> None:
    settle(text.encode())


@given(st.dictionaries(words, trees, max_size=5))
@settings(max_examples=120, deadline=None)
def test_any_tree_gives_a_spec_or_sentences(tree: dict[str, Any]) -> None:
    settle(json.dumps(tree).encode())


def test_what_starts_a_run_is_read_and_kept_as_rules() -> None:
    text = 'trigger: {push: {branches: [main, "release/*"], paths_ignore: ["docs/**"]}, tag: {patterns: ["v*"]}}'
    made = spec(text, dockerfile=True)
    assert made.trigger.supersede == "queued"
    assert made.trigger.rules == {
        "push": {"branches": ["main", "release/*"], "paths_ignore": ["docs/**"]},
        "tag": {"patterns": ["v*"]},
        "schedule": [],
        "skip": True,
        "supersede": "queued",
    }
    assert from_json(to_json(made)) == made


@pytest.mark.parametrize(
    ("text", "branch", "tag", "why"),
    [
        ("", "any", None, ""),
        ("", None, "any", ""),
        ("trigger: {push: {branches: [main]}}", "main", None, ""),
        ("trigger: {push: {branches: [main]}}", "x", None, "nothing to do: runs start only for branches main"),
        ("trigger: {push: {branches: [main]}}", None, "v1", ""),
        ("trigger: {push: {branches: []}}", "main", None, "nothing to do: runs start for no branches"),
        ('trigger: {tag: {patterns: ["v*", "r*"]}}', None, "x", "nothing to do: runs start only for tags v* or r*"),
        ('trigger: {tag: {patterns: ["v*"]}}', None, "v1", ""),
        ('trigger: {tag: {patterns: ["v*"]}}', "x", None, ""),
    ],
)
def test_a_branch_or_tag_nobody_asked_for_starts_nothing(
    text: str, branch: str | None, tag: str | None, why: str
) -> None:
    assert spec(text, dockerfile=True).trigger.refuses(branch=branch, tag=tag) == why


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("trigger: {pusch: 1}", "slipway.yml:1 trigger: unknown key `pusch` — did you mean `push`?"),
        (
            "trigger: {qqqqq: []}",
            "slipway.yml:1 trigger: unknown key `qqqqq`; there are: push, tag, pull_request, schedule, skip, supersede",
        ),
        (
            "trigger: {push: {branch: [a]}}",
            "slipway.yml:1 trigger.push: unknown key `branch` — did you mean `branches`?",
        ),
        ("trigger: [push]", "slipway.yml:1: `trigger` takes keys and values, not a list"),
        (
            "trigger: {push: {branches: main}}",
            "slipway.yml:1 trigger.push: `branches` takes a list such as [main], not main",
        ),
        ("trigger: {supersede: no}", "slipway.yml:1 trigger: `supersede` is queued or running or never, not no"),
        (
            "trigger: {push: {paths: []}}",
            "slipway.yml:1 trigger.push: `paths` is an empty list; leave the key out if every path counts",
        ),
        (
            "services: {web: {paths: [web/]}}",
            "slipway.yml:1 services.web: `paths` takes patterns that cover whole paths: web/** instead of web/",
        ),
        (
            "services: {web: {paths_ignore: [/a]}}",
            "slipway.yml:1 services.web: `paths_ignore` takes patterns of paths inside the repository, such as web/**, not /a",
        ),
        ("environments: {ci: {order: time}}", "slipway.yml:1 environments.ci: `order` is ancestry or any, not time"),
    ],
)
def test_a_wrong_trigger_or_path_is_named(text: str, problem: str) -> None:
    assert problems(text) == [problem]


def test_a_service_without_paths_is_made_of_anything() -> None:
    assert spec("services: {web: }", dockerfile=True).services["web"].made_of is None
    made = spec('services: {web: {paths_ignore: ["**/*.md"]}}', dockerfile=True).services["web"].made_of
    assert made is not None and made.count("app.py") and not made.count("README.md")
