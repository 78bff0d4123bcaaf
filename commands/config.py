"""`slipway config`: check a slipway.yml before it is pushed, show what it comes to, explain its keys."""

import json
from pathlib import Path

import click

from commands.config_files import DirectoryFiles
from pipeline.compose_export import export
from pipeline.images import image_name
from pipeline.names import label
from pipeline.spec import FILES, Read, Spec, SpecProblems, look, schema
from pipeline.spec_beside import missing_files, undeployed
from pipeline.spec_docs import chapter, chapters
from pipeline.spec_show import DEFAULT, as_yaml, values


@click.group()
def config() -> None:
    """Check a slipway.yml, show what it comes to, print its reference and its schema."""


@config.command("check")
@click.argument("path", default=".", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(path: Path, as_json: bool) -> int:
    """Check the configuration in PATH, a directory or a file. Prints every problem; exit code 1 if there is one.

    In a directory the files it names are looked for as well. Warnings are no problems.
    """
    try:
        read = _look(path)
        missing = missing_files(read, DirectoryFiles(_root(path))) if _is_in_place(path) else []
        if missing:
            raise SpecProblems(missing)
    except SpecProblems as error:
        click.echo(_problems(error) if as_json else "\n".join(error.tail))
        return 1
    warnings = list(undeployed(read.spec))
    said = _summary(read.spec) + "".join(f"\nwarning: {warning}" for warning in warnings)
    click.echo(json.dumps({"problems": [], "warnings": warnings}) if as_json else said)
    return 0


@config.command("show")
@click.argument("path", default=".", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON: each value with its source.")
@click.option("--said", is_flag=True, help="Leave out what is only a default.")
@click.option("--compose", "as_compose", is_flag=True, help="Print a Compose file of the services.")
@click.option("--revision", default="", help="With --compose: name the images of this revision, 40 hex digits.")
@click.option("--registry", default="127.0.0.1:5000", help="With --revision: where the images are.")
def show(path: Path, **asked: str | bool) -> int:
    """Show the configuration in effect, each value with its file and line or that it is a default."""
    try:
        read = _look(path)
    except SpecProblems as error:
        click.echo("\n".join(error.tail))
        return 1
    if asked["as_compose"]:
        click.echo(_compose(read.spec, str(asked["registry"]), str(asked["revision"])), nl=False)
    elif asked["as_json"]:
        shown = [
            {"place": list(one.place), "value": one.value, "source": one.source}
            for one in values(read)
            if not (asked["said"] and one.source == DEFAULT)
        ]
        click.echo(json.dumps(shown))
    else:
        click.echo(as_yaml(read, defaults=not asked["said"]))
    return 0


@config.command("docs")
@click.argument("part", default="")
def docs(part: str) -> int:
    """Print the reference of every key, or of PART: `services`, `stages.test`, `trigger` …"""
    try:
        click.echo(chapter(part) if part else "\n\n".join(chapters().values()))
    except KeyError as unknown:
        click.echo(unknown.args[0])
        return 1
    return 0


@config.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of slipway.yml."""
    click.echo(json.dumps(schema(), indent=2))


def _look(path: Path) -> Read:
    directory = _root(path)
    instead = {} if path.is_dir() else dict.fromkeys(FILES, directory / ".slipway" / "none") | {FILES[0]: path}
    return look(DirectoryFiles(directory, instead), project=label(directory.resolve().name))


def _root(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _is_in_place(path: Path) -> bool:
    """Tell whether what is beside a configuration is what it will be beside in its repository."""
    return path.is_dir() or (path.name in FILES and path.resolve().parent.name != ".slipway")


def _compose(spec: Spec, registry: str, revision: str) -> str:
    built = [name for name, service in spec.services.items() if not service.image]
    images = {name: f"{image_name(registry, spec.name, name)}:{revision}" for name in built} if revision else {}
    return export(spec, images)


def _problems(error: SpecProblems) -> str:
    found = [
        {"file": one.file, "line": one.line, "where": one.where, "sentence": one.sentence} for one in error.problems
    ]
    return json.dumps({"problems": found, "warnings": []})


def _summary(spec: Spec) -> str:
    groups = {
        "services": list(spec.services),
        "stages": list(spec.stages),
        "environments": list(spec.environments),
    }
    lines = [f"{group:13} {', '.join(things)}" for group, things in groups.items()]
    return "\n".join([f"{spec.name}: the configuration is fine", *lines])
