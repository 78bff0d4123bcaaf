"""An import may only point down, and rooms on one floor never import each other."""

import ast
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOORS = (
    {"app", "cli", "commands", "workers.__main__", "workers.entry"},
    {"hooks", "workers", "dashboard"},
    {"control"},
    {"store", "runtime", "notify", "config"},
    {"pipeline"},
)
ROOMS = {"commands", "hooks", "workers", "dashboard", "control", "store", "runtime", "notify", "config", "pipeline"}
PURE = {"cronsim", "jsonschema", "pydantic", "pydantic_core", "ruamel", "typing_extensions"}
WEB = {"app", "hooks", "dashboard", "control", "store", "notify"}


@cache
def modules() -> list[tuple[str, Path]]:
    files = [ROOT / "app.py", ROOT / "cli.py", *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
    there = [path for path in files if path.exists() and "migrations" not in path.parts]
    return [(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path) for path in there]


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text())))


@cache
def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def room(module: str) -> str:
    special = ("workers.__main__", "workers.entry")
    return next((name for name in special if module.startswith(name)), module.split(".", maxsplit=1)[0])


def floor(name: str) -> int | None:
    return next((number for number, floor in enumerate(FLOORS) if name in floor), None)


def test_every_room_stands_on_a_floor() -> None:
    assert {room(module) for module, _ in modules()} <= set().union(*FLOORS)


def test_imports_only_point_down() -> None:
    wrong = []
    for module, path in modules():
        here = floor(room(module))
        for target in imports(path):
            there = floor(room(target))
            if there is None or here is None or room(target) == room(module):
                continue
            if there < here or (there == here and here != 0):
                wrong.append(f"{module} imports {target}")
    assert wrong == []


def test_the_pure_middle_imports_nothing_but_the_standard_library_and_pydantic() -> None:
    allowed = set(sys.stdlib_module_names) | PURE | {"pipeline"}
    wrong = [
        f"{module} imports {target}"
        for module, path in modules()
        if module.startswith("pipeline")
        for target in imports(path)
        if target.split(".")[0] not in allowed
    ]
    assert wrong == []


def test_no_room_of_the_web_process_imports_docker_git_or_the_queue() -> None:
    wrong = [
        f"{module} imports {target}"
        for module, path in modules()
        if module.split(".")[0] in WEB
        for target in imports(path)
        if target.split(".")[0] in {"docker", "git", "rq", "redis"}
    ]
    assert wrong == []


def test_workers_never_import_flask() -> None:
    wrong = [
        module
        for module, path in modules()
        if module.startswith(("workers", "runtime", "notify"))
        for target in imports(path)
        if target.split(".")[0] in {"flask", "werkzeug"}
    ]
    assert wrong == []


def test_no_shell_is_ever_used() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for _, path in modules()
        for node in nodes(path)
        if (isinstance(node, ast.keyword) and node.arg == "shell")
        or (isinstance(node, ast.Attribute) and node.attr in {"system", "popen"} and _is_os(node))
    ]
    assert wrong == []


def _is_os(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "os"
