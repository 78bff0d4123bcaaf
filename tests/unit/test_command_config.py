import json
import re
from pathlib import Path

from click.testing import CliRunner, Result

from commands.config import config
from pipeline.spec_model import PARTS

GOOD = "services: {web: , api: }\n"
BAD = "services:\n  web: {prot: 1, port: x}\n"


def config_command(*arguments: str) -> Result:
    return CliRunner().invoke(config, arguments, standalone_mode=False)


def test_a_directory_with_a_good_file_is_fine(tmp_path: Path) -> None:
    (tmp_path / "slipway.yml").write_text(GOOD)
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    result = config_command("check", str(tmp_path))
    assert result.return_value == 0
    assert "services      web, api\nstages        build, ci, staging\nenvironments  ci, staging" in result.output


def test_a_directory_with_only_a_dockerfile_is_fine(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    assert config_command("check", str(tmp_path)).return_value == 0


def test_every_problem_is_a_line_and_the_exit_code_says_so(tmp_path: Path) -> None:
    (tmp_path / "slipway.yml").write_text(BAD)
    result = config_command("check", str(tmp_path))
    assert result.return_value == 1
    assert result.output.splitlines() == [
        "slipway.yml:2 services.web: `port` takes a port from 1 to 65535, not x",
        "slipway.yml:2 services.web: unknown key `prot` — did you mean `port`?",
    ]


def test_files_that_are_named_and_not_there_are_problems_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "slipway.yml").write_text(
        "services:\n  web: {build: {context: web}}\n  api: {build: {context: api}}\n  db: {image: postgres}\nstages:\n"
        "  build: {build: all}\n  test:\n    test:\n      in: web\n      with: [db]\n      run: x\n      restore:\n"
        "        into: db\n        file: tests/nope.sql\n        run: psql\n"
    )
    result = config_command("check", str(tmp_path))
    assert (result.return_value, result.output.splitlines()) == (
        1,
        [
            "slipway.yml:3 services.api: there is no directory api here",
            "slipway.yml:2 services.web: there is no web/Dockerfile here",
            "slipway.yml:14 stages.test: there is no tests/nope.sql here",
        ],
    )


def test_a_service_that_needs_one_nobody_deploys_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (tmp_path / "compose.yaml").write_text("services:\n  web: {build: ., depends_on: [db]}\n  db: {image: postgres}\n")
    result = config_command("check", str(tmp_path))
    assert result.return_value == 0
    assert result.output.count("warning: web depends on db, which is not deployed: ") == 1
    (tmp_path / "slipway.yml").write_text("stages: {build: {build: all}}")
    assert "warning" not in config_command("check", str(tmp_path)).output


def test_problems_as_json_have_a_line_for_editors(tmp_path: Path) -> None:
    (tmp_path / "any.yml").write_text(BAD)
    result = config_command("check", str(tmp_path / "any.yml"), "--json")
    first = json.loads(result.output)["problems"][0]
    assert (result.return_value, first["line"], first["where"]) == (1, 2, "services.web")


def test_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "slipway.yml").symlink_to("/etc/passwd")
    assert config_command("check", str(tmp_path)).return_value == 1


def test_the_schema_is_json() -> None:
    assert json.loads(config_command("schema").output)["title"] == "slipway.yml"


COMPOSE = "services:\n  web:\n    build: web\n    expose: [8080]\n  db: {image: postgres}\n"


def test_what_is_in_effect_is_shown_with_the_line_that_says_it(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "slipway.yml").write_text(
        "services:\n  web:\n    drain: 3s\nstages: {b: {build: all}, c: {deploy: ci}}\n"
    )
    found = json.loads(config_command("show", str(tmp_path), "--json").output)
    sources = {".".join(one["place"]): (one["value"], one["source"]) for one in found}
    assert sources["services.web.port"] == (8080, "compose.yaml:4")
    assert sources["services.web.build.context"] == ("web", "compose.yaml:3")
    assert sources["services.web.drain"] == ("3s", "slipway.yml:3")
    assert sources["services.db.image"] == ("postgres", "compose.yaml:5")
    assert sources["stages.c.deploy.to"] == ("ci", "slipway.yml:4")
    assert sources["services.web.main"] == (True, "default")
    assert sources["retention.images"] == (20, "default")


def test_what_is_shown_is_a_configuration_that_comes_to_the_same(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    shown = config_command("show", str(tmp_path)).output
    again = tmp_path / "again"
    again.mkdir()
    (again / "slipway.yml").write_text("\n".join(line for line in shown.splitlines() if "compose:" not in line))
    strip = [line.split("  # ")[0].rstrip() for line in shown.splitlines() if "compose:" not in line]
    after = config_command("show", str(again)).output.splitlines()
    assert [line.split("  # ")[0].rstrip() for line in after if "compose:" not in line] == strip


def test_defaults_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    shown = config_command("show", str(tmp_path), "--said").output
    assert "# default" not in shown
    assert "# compose.yaml:4" in shown


def test_services_are_printed_as_a_compose_file(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    assert "context: ./web" in config_command("show", str(tmp_path), "--compose").output
    named = config_command("show", str(tmp_path), "--compose", "--revision", "1a2b", "--registry", "r.test").output
    assert re.search(r"image: r\.test/[^/]+/web:1a2b\n", named)
    assert "image: postgres" in named


def test_a_compose_file_outside_of_the_directory_is_not_read(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.env").write_text("TOKEN=hush")
    (inside / "link.env").symlink_to(tmp_path / "secret.env")
    (inside / "compose.yaml").write_text("services: {web: {image: x, env_file: [../secret.env, link.env]}}")
    result = config_command("show", str(inside))
    assert (result.return_value, "hush" in result.output) == (1, False)
    assert result.output.count("which is not in this commit") == 2


def test_the_reference_knows_every_key(tmp_path: Path) -> None:
    whole = config_command("docs").output
    for key in (
        "allow_failure",
        "concurrency",
        "restore",
        "git_tags",
        "stages.NAME.test.reports",
        "trigger.schedule[]",
    ):
        assert key in whole
    part = config_command("docs", "services.build").output
    assert part.startswith("services.NAME.build\n")
    assert "context        text" in part
    assert "required" not in config_command("docs").output.split("\n\ntrigger\n")[0]
    assert "days such as 90d                             default 90d" in whole
    assert "time such as 1m30s                           default 10s" in whole
    wrong = config_command("docs", "servces")
    assert (wrong.return_value, "Did you mean `services`" in wrong.output) == (1, True)


def test_a_key_is_found_by_its_name_wherever_it_is() -> None:
    assert config_command("docs", "retry").output.splitlines() == [
        "stages.NAME.retry",
        "  retry          0 to 5                                       default 0",
        "                 How often a failure of the project's code is tried again.",
    ]
    assert config_command("docs", "junit").output.count("\n  junit ") == 2
    assert config_command("docs", "task.reports.junit").output.startswith("stages.NAME.task.reports.junit\n")
    assert "Did you mean `retry`" in config_command("docs", "rety").output


def test_every_key_has_a_sentence_for_people_and_for_editors() -> None:
    unsaid = [
        (part.__name__, name)
        for part in PARTS.values()
        for name, field in part.model_fields.items()
        if not field.description
    ]
    assert unsaid == []
    found = json.loads(config_command("schema").output)
    assert found["$defs"]["Stage"]["properties"]["retry"]["description"].startswith("How often")
