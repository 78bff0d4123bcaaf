"""Where settings come from, and which source goes first."""

import json
import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from config.settings import PREFIX, ROOT, Settings
from pipeline.errors import Rejected


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    return tmp_path


def choose(home: Path, **ports: int) -> None:
    (home / "run" / "ports.json").write_text(json.dumps({name: {"port": port} for name, port in ports.items()}))


def test_an_explicit_zero_means_the_port_that_up_chose(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_WEB__PORT", "0")
    choose(home, web=40001)
    assert Settings().web.port == 40001


def test_a_zero_in_slipway_env_means_the_port_that_up_chose(home: Path) -> None:
    (home / "slipway.env").write_text("SLIPWAY_DNS__PORT=0\n")
    choose(home, dns=40002)
    assert Settings().dns.port == 40002


def test_zero_stays_zero_until_up_has_chosen(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_WEB__PORT", "0")
    assert Settings().web.port == 0


def test_the_chosen_port_is_known_to_a_shell_without_the_variable(home: Path) -> None:
    choose(home, web=40003)
    assert Settings().web.port == 40003


def test_a_port_in_the_environment_goes_before_the_chosen_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(home, web=40003)
    monkeypatch.setenv("SLIPWAY_WEB__PORT", "9000")
    assert Settings().web.port == 9000


def test_one_chosen_port_leaves_the_other_settings_of_its_section(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_WEB__PORT", "0")
    monkeypatch.setenv("SLIPWAY_WEB__CONNECTIONS", "3")
    choose(home, web=40004)
    assert (Settings().web.port, Settings().web.connections) == (40004, 3)


def test_a_value_can_come_from_a_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "token").write_text("xoxb-1\n")
    monkeypatch.setenv("SLIPWAY_SLACK__BOT_TOKEN_FILE", str(home / "token"))
    token = Settings().slack.bot_token
    assert token is not None
    assert token.get_secret_value() == "xoxb-1"


def test_a_value_of_the_wrong_kind_is_refused_by_its_variables_name(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_WEB__PORT", "eighty")
    with pytest.raises(Rejected, match="SLIPWAY_WEB__PORT"):
        Settings()


def test_sockets_of_a_home_with_a_long_path_are_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(home / ("x" * 90)))
    long = Settings()
    assert long.run == Path("/tmp") / f"slipway-{long.home_id}"
    assert long.redis_url == f"unix://{long.run}/redis.sock"


def test_sockets_of_a_home_with_a_short_path_are_in_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", "/srv/slipway")
    assert Settings().run == Path("/srv/slipway/run")


@pytest.mark.parametrize(
    ("web", "allowed"),
    [
        ({}, True),
        ({"HOST": "localhost"}, True),
        ({"HOST": "::1"}, True),
        ({"PUBLIC_URL": ""}, True),
        ({"HOST": "0.0.0.0"}, False),
        ({"HOST": "ci.example.com"}, False),
        ({"PUBLIC_URL": "https://ci.example.com"}, False),
    ],
)
def test_paths_of_this_machine_are_for_those_who_are_on_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, web: dict[str, str], allowed: bool
) -> None:
    for name, value in web.items():
        monkeypatch.setenv(f"SLIPWAY_WEB__{name}", value)
    assert Settings().local_paths is allowed
    for said in (True, False):
        monkeypatch.setenv("SLIPWAY_LOCAL_PATHS", str(said).lower())
        assert Settings().local_paths is said


def test_the_reference_names_every_setting_with_its_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    lines = (ROOT / "config" / "reference.env").read_text().splitlines()
    named = dict(line.removeprefix("#").split("=", 1) for line in lines if line.startswith(f"#{PREFIX}"))
    follow_from_the_home = {"SLIPWAY_HOME": "var", "SLIPWAY_DATABASE_URL": "", "SLIPWAY_REDIS_URL": ""}
    assert named == dict(_defaults(Settings.model_construct())) | follow_from_the_home


def test_the_reference_says_something_about_every_setting() -> None:
    lines = (ROOT / "config" / "reference.env").read_text().splitlines()
    first = [at for at, line in enumerate(lines) if line.startswith(f"#{PREFIX}")]
    assert all(lines[at - 1].startswith("#") for at in first)


def _defaults(model: BaseModel, prefix: str = PREFIX) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name in type(model).model_fields:
        value, variable = getattr(model, name), f"{prefix}{name.upper()}"
        if isinstance(value, BaseModel):
            found += _defaults(value, f"{variable}__")
        elif isinstance(value, bool | tuple):
            found.append((variable, json.dumps(value)))
        else:
            text = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
            found.append((variable, text))
    return found
