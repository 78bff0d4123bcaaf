"""What can be told of a Dockerfile before it is built: whether the builder here will understand it."""

import re
from collections.abc import Collection, Iterator

DIRECTIVE = re.compile(r"#\s*([a-z][a-z0-9]*)\s*=\s*(.+?)\s*$", re.IGNORECASE)
SYNTAX = re.compile(r"(?:#|//)\s*syntax\s*=\s*(\S+)", re.IGNORECASE)
INSTRUCTION = re.compile(r"\s*([a-z]+)\s+(.*)", re.IGNORECASE | re.DOTALL)
FLAG = re.compile(r"--(mount|network|security)\b", re.IGNORECASE)
HEREDOC = re.compile(r"\d*<<-?(['\"]?)([a-zA-Z_][a-zA-Z0-9_]*)\1$")
DEFAULT_ESCAPE = "\\"


def check_dockerfile(text: str, builder: str, *, frontends: Collection[str] = ()) -> str | None:
    """Return why `builder` (`buildkit` or `classic`) cannot build this Dockerfile, or None.

    A `# syntax=` line names an image that would be fetched and run as the builder itself: only those that are named
    in `frontends` may, for a stranger's run can push any into the registry of this machine.
    """
    text = text.removeprefix("\ufeff")
    frontend = _frontend(text)
    if frontend and builder != "buildkit":
        return f"`# syntax={frontend}` needs BuildKit, and the container engine here builds without it"
    if frontend and frontend not in frontends:
        return f"`# syntax={frontend}` would fetch another builder and run it: remove the line"
    return None if builder == "buildkit" else _needs_buildkit(text)


def check_path(path: str) -> str | None:
    """Return why `path` cannot name a Dockerfile inside the context, or None."""
    if not path or path.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", path) or "\0" in path:
        return f"the Dockerfile's path must be relative and stay inside the context: {path!r}"
    return None


def _frontend(text: str) -> str | None:
    lines = text.splitlines()
    if lines and lines[0].startswith("#!"):
        lines = lines[1:]
    for line in lines:
        if match := SYNTAX.match(line.strip()):
            return match[1]
        if not DIRECTIVE.match(line.strip()):
            return None
    return None


def _needs_buildkit(text: str) -> str | None:
    lines = text.splitlines()
    for number, instruction, arguments in _instructions(lines):
        flag = FLAG.match(arguments) if instruction == "RUN" else None
        if flag:
            return f"line {number}: `RUN --{flag[1]}` needs BuildKit, and the container engine here builds without it"
        if instruction in {"RUN", "COPY", "ADD"} and _heredoc(arguments, lines[number:]):
            return f"line {number}: a here-document needs BuildKit, and the container engine here builds without it"
    return None


def _instructions(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """Yield the line number, the name and the arguments of each instruction, continued lines joined."""
    escape, parts, start = _escape(lines), list[str](), 0
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("#") or (parts and not line.strip()):
            continue
        start = start if parts else number
        stripped = line.rstrip()
        if stripped.endswith(escape):
            parts.append(stripped[:-1])
            continue
        match = INSTRUCTION.match(" ".join([*parts, line]))
        parts = []
        if match:
            yield start, match[1].upper(), match[2]


def _escape(lines: list[str]) -> str:
    for line in lines:
        match = DIRECTIVE.match(line.strip())
        if not match:
            break
        if match[1].lower() == "escape":
            return match[2]
    return DEFAULT_ESCAPE


def _heredoc(arguments: str, following: list[str]) -> bool:
    """Tell whether a word such as <<EOF has its closing line: `$((1 <<N))` has none and is nothing special."""
    names = {match[2] for word in arguments.split() if (match := HEREDOC.match(word))}
    return any(line.strip() in names for line in following)
