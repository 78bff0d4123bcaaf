"""The command line itself: help without imports, exit codes, sentences."""

import pytest

import cli
from pipeline.errors import NotFound


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    out = capsys.readouterr().out
    assert "doctor" in out
    assert "stack" not in out


def test_every_command_of_the_table_has_its_own_module_of_the_commands_room() -> None:
    assert {module.partition(".")[0] for module, _attribute, _help in cli.COMMANDS.values()} == {"commands"}


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["nonsense"]) == 2
    assert "No such command" in capsys.readouterr().err


def test_an_error_is_one_sentence_and_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_args: object, **_options: object) -> None:
        raise NotFound("there is no run r9", fix="./slipway run list")

    monkeypatch.setattr(cli.slipway, "main", fails)
    assert cli.run(["run", "view", "r9"]) == 4
    assert capsys.readouterr().err == "slipway: there is no run r9\n  ./slipway run list\n"


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.slipway, "main", interrupted)
    assert cli.run([]) == 130
