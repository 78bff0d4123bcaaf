"""`slipway config`: check a slipway.yml before it is pushed, and the schema editors check it with."""

import json
from pathlib import Path

import click

from pipeline.names import label
from pipeline.spec import CANDIDATES, Spec, SpecProblems, load, schema

MOST_BYTES = 1024**2


@click.group()
def config() -> None:
    """Check a slipway.yml, print its schema."""


@config.command("check")
@click.argument("path", default=".", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(path: Path, as_json: bool) -> int:
    """Check the configuration in PATH, a directory or a file. Prints every problem; exit code 1 if there is one."""
    directory = path if path.is_dir() else path.parent
    files = _files(path) if path.is_dir() else {"slipway.yml": _content(path)} | _dockerfile(directory)
    try:
        spec = load(files, project=label(directory.resolve().name))
    except SpecProblems as error:
        click.echo(_problems(error) if as_json else "\n".join(error.tail))
        return 1
    click.echo(json.dumps({"problems": []}) if as_json else _summary(spec))
    return 0


@config.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of slipway.yml."""
    click.echo(json.dumps(schema(), indent=2))


def _files(directory: Path) -> dict[str, bytes]:
    there = (name for name in CANDIDATES if (directory / name).is_file() and not (directory / name).is_symlink())
    return {name: _content(directory / name) for name in there}


def _dockerfile(directory: Path) -> dict[str, bytes]:
    return {"Dockerfile": b""} if (directory / "Dockerfile").is_file() else {}


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES)


def _problems(error: SpecProblems) -> str:
    found = [
        {"file": one.file, "line": one.line, "where": one.where, "sentence": one.sentence} for one in error.problems
    ]
    return json.dumps({"problems": found})


def _summary(spec: Spec) -> str:
    groups = {
        "services": list(spec.services),
        "stages": list(spec.stages),
        "environments": list(spec.environments),
    }
    lines = [f"{group:13} {', '.join(things)}" for group, things in groups.items()]
    return "\n".join([f"{spec.name}: the configuration is fine", *lines])
