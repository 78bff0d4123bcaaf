import json
from pathlib import Path

from click.testing import CliRunner, Result

from commands.config import config

GOOD = "services: {web: , api: }\n"
BAD = "services:\n  web: {prot: 1, port: x}\n"


def config_command(*arguments: str) -> Result:
    return CliRunner().invoke(config, arguments, standalone_mode=False)


def test_a_directory_with_a_good_file_is_fine(tmp_path: Path) -> None:
    (tmp_path / "slipway.yml").write_text(GOOD)
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
