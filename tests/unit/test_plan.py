import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import StageFailed
from pipeline.globs import matches
from pipeline.outcome import State
from pipeline.plan import plan_stages
from pipeline.spec import Spec, load
from pipeline.stage import Kind

TEXT = b"""
services: {web: , api: , tests: }
stages:
  build: {build: all}
  unit: {test: {in: api, run: x, env: {A: 1}}, timeout: 5m}
  lint: {test: {in: web, run: [y], network: none}, needs: []}
  ci: {deploy: {to: ci, services: [web, api]}, needs: [unit, lint]}
  staging: {deploy: staging}
environments:
  ci: {branches: ["**"]}
  staging:
"""


def spec(text: bytes = TEXT) -> Spec:
    return load({"slipway.yml": text.replace(b"needs: []", b"needs: [build]"), "Dockerfile": b""}, project="shop")


def skips(made: Spec, *, branch: str | None = None, tag: str | None = None) -> dict[str, str]:
    return {one.name: one.outcome.sentence for one in plan_stages(made, branch=branch, tag=tag) if one.outcome}


def test_a_push_to_the_default_branch_runs_everything() -> None:
    planned = plan_stages(spec(), branch="main", tag=None)
    assert [(one.name, one.kind, one.needs) for one in planned] == [
        ("build", Kind.BUILD, ("source",)),
        ("unit", Kind.TEST, ("build",)),
        ("lint", Kind.TEST, ("build",)),
        ("ci", Kind.DEPLOY, ("unit", "lint")),
        ("staging", Kind.DEPLOY, ("ci",)),
    ]
    assert all(one.outcome is None for one in planned)


def test_each_kind_carries_what_it_needs_as_json() -> None:
    work = {one.name: one.spec for one in plan_stages(spec(), branch="main", tag=None)}
    assert work["build"] == {"services": ["web", "api", "tests"], "timeout": None, "silence": None}
    assert work["unit"] == {
        "in": "api",
        "run": ["sh", "-c", "x"],
        "env": {"A": "1"},
        "network": "private",
        "with": [],
        "secrets": [],
        "restore": [],
        "shards": 1,
        "reports": {"junit": [], "coverage": [], "files": []},
        "against": "",
        "services": {},
        "timeout": 300.0,
        "silence": None,
    }
    assert work["ci"]["services"] == ["web", "api"]
    assert work["staging"] == {"to": "staging", "services": ["web", "api", "tests"], "timeout": None, "silence": None}
    assert json.loads(json.dumps(work)) == work


def test_a_branch_goes_only_where_its_environment_lets_it() -> None:
    assert skips(spec(), branch="feature/x") == {"staging": "deploys only from main"}


def test_a_tag_is_built_and_tested_and_goes_nowhere() -> None:
    assert skips(spec(), tag="v1") == {"ci": "deploys only from **", "staging": "deploys only from main"}


def test_a_tag_with_the_name_of_the_default_branch_is_still_a_tag() -> None:
    assert "staging" in skips(spec(), branch="main", tag="main")


def test_when_decides_for_any_stage() -> None:
    made = spec(TEXT.replace(b"timeout: 5m", b"when: {branches: [main, 'release/*']}"))
    assert skips(made, branch="release/1") == {"staging": "deploys only from main"}
    assert skips(made, branch="x")["unit"] == "runs only on main or release/*"
    assert skips(made, tag="v1")["unit"] == "runs only on main or release/*"


def test_what_nobody_builds_here_is_not_tested_or_deployed_here() -> None:
    made = spec(TEXT.replace(b"build: all}", b"build: all, when: {branches: [main]}}"))
    assert skips(made, branch="x") == {
        "build": "runs only on main",
        "unit": "build, which builds api, does not run here",
        "lint": "build, which builds web, does not run here",
        "ci": "build, which builds web, does not run here",
        "staging": "deploys only from main",
    }


def test_skips_carry_stable_codes() -> None:
    made = spec(TEXT.replace(b"build: all}", b"build: all, when: {branches: [main]}}"))
    found = {one.name: one.outcome for one in plan_stages(made, branch="x", tag=None)}
    assert found["unit"] is not None
    assert found["staging"] is not None
    assert (found["unit"].state, found["unit"].code) == (State.SKIPPED, "not_built")
    assert (found["staging"].state, found["staging"].code) == (State.SKIPPED, "other_branch")


def test_another_default_branch_is_the_one_that_deploys() -> None:
    made = load({"Dockerfile": b""}, project="shop", default_branch="trunk")
    assert skips(made, branch="trunk") == {}
    assert skips(made, branch="main") == {"ci": "deploys only from trunk", "staging": "deploys only from trunk"}


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("main", "main", True),
        ("main", "main2", False),
        ("release/*", "release/1.0", True),
        ("release/*", "release/1/x", False),
        ("release/**", "release/1/x", True),
        ("**", "a/b/c", True),
        ("*", "", True),
        ("v?", "v1", True),
        ("v?", "v/", False),
        ("*.x", "1.x", True),
        ("a.c", "abc", False),
        ("**/x", "a/b/x", True),
        ("**/x", "x", True),
        ("**/x", "ax", False),
        ("**/*.md", "README.md", True),
        ("**/*.md", "a/b/README.md", True),
        ("a/**/x", "a/x", True),
        ("a/**/x", "a/b/c/x", True),
        ("a/**/x", "a/bx", False),
        ("a**/x", "a/x", True),
        ("a**/x", "x", False),
        ("web/**", "web/a/b", True),
        ("web/**", "website/a", False),
        ("[ab]", "a", False),
        ("$(id)*", "$(id);b", True),
    ],
)
def test_patterns(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


def test_many_stars_take_no_time() -> None:
    assert not matches("*a" * 60 + "*b", "a" * 250)
    assert not matches("**/a/" * 60 + "b", "a/" * 125)


@given(st.text(alphabet="ab/", max_size=12))
@settings(deadline=None)
def test_every_name_without_signs_matches_itself_and_two_stars(name: str) -> None:
    assert matches(name, name)
    assert matches("**", name)


WHENS = b"""
services: {web: , api: , tests: }
stages:
  build: {build: all}
  unit: {test: {in: api, run: x}, when: {events: [push, manual]}}
  pack: {test: {in: web, run: x}, when: {tags: ["v*"]}, needs: [build]}
  both: {test: {in: web, run: x}, when: {branches: [main], tags: ["v*"]}, needs: [build]}
  ci: {deploy: ci, needs: [build]}
  preview: {deploy: ci, needs: [build], when: {events: [pull_request]}}
environments: {ci: {branches: ["**"]}}
"""


def codes(made: Spec, **occasion: Any) -> dict[str, str]:
    occasion = {"branch": None, "tag": None} | occasion
    return {one.name: one.outcome.code for one in plan_stages(made, **occasion) if one.outcome}


def test_when_knows_tags_and_what_has_happened() -> None:
    made = spec(WHENS)
    assert codes(made, branch="main") == {"pack": "other_branch", "preview": "other_event"}
    assert codes(made, tag="v1") == {"unit": "other_event", "ci": "other_branch", "preview": "other_event"}
    assert codes(made, branch="main", event="manual") == {"pack": "other_branch", "preview": "other_event"}
    assert skips(made, branch="x")["both"] == "runs only on main or v*"
    assert skips(made, tag="v1")["unit"] == "runs only for push or manual"


def test_a_pull_request_goes_only_where_a_stage_says_so() -> None:
    found = codes(spec(WHENS), branch="feature", event="pull_request")
    assert found == {"unit": "other_event", "pack": "other_branch", "both": "other_branch", "ci": "pull_request"}


def test_a_wanted_stage_brings_the_builds_of_its_images_and_nothing_else() -> None:
    made = spec(WHENS)
    assert codes(made, branch="x", event="manual", wanted=["pack"]) == dict.fromkeys(
        ["unit", "both", "ci", "preview"], "not_wanted"
    )
    assert set(codes(made, branch="x", event="manual", wanted=["build"])) == {"unit", "pack", "both", "ci", "preview"}


def test_asking_for_a_stage_does_not_lift_the_rules_of_an_environment() -> None:
    assert codes(spec(), branch="x", event="manual", wanted=["staging"])["staging"] == "other_branch"


def test_a_wanted_stage_that_is_not_there_is_told_with_the_likely_one() -> None:
    with pytest.raises(StageFailed, match="Did you mean `unit`") as caught:
        plan_stages(spec(), branch="main", tag=None, wanted=["unti"])
    assert caught.value.code == "unknown_stage"


LIVE = b"""
services: {web: }
stages:
  build: {build: all}
  ci: {deploy: ci}
  smoke: {test: {in: web, run: x}}
  live: {test: {in: web, run: x, against: ci}}
  standing: {needs: [build], test: {in: web, run: x, against: ci}}
environments: {ci: }
"""


def test_tests_against_what_this_run_does_not_deploy_are_left_out() -> None:
    made = spec(LIVE)
    assert codes(made, branch="main") == {}
    assert codes(made, branch="x") == {"ci": "other_branch", "live": "not_deployed"}
    assert codes(made, tag="v1") == {"ci": "other_branch", "live": "not_deployed"}
    assert skips(made, branch="x")["live"] == "ci was not deployed by this run"


def test_tests_against_an_environment_run_where_they_are_asked_for() -> None:
    found = codes(spec(LIVE), branch="main", event="schedule", wanted=["live"])
    assert found == dict.fromkeys(["ci", "smoke", "standing"], "not_wanted")
