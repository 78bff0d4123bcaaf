"""Putting the post-receive hook into a bare repository."""

import os
import shlex
import subprocess
from pathlib import Path

from commands.hook_file import UNSPECIFIED, HookFile
from config.settings import Settings
from pipeline.errors import Conflict, NotFound, Rejected
from pipeline.project import Project
from runtime.files import replace
from store import projects
from store.migrate import upgrade
from store.session import Database

MARK = "# Written by `slipway hook install`"
HOOK = """#!/bin/sh
{mark} for {project}: tells Slipway of each push and shows what becomes of it.
# It runs after git has taken the push and never fails it.
export SLIPWAY_HOME={home}
{slipway} hook run --settings "${{0%/*}}/slipway.json" || :
"""
EXECUTABLE = 0o755
PRIVATE = 0o600


def install_hook(path: Path, project: str, *, slipway: Path, force: bool) -> str:
    """Write the hook and its file, and return what to tell. Raises Rejected, NotFound or Conflict."""
    folder = hooks_folder(path)
    settings = Settings()
    known = _project(settings, project)
    script = folder / "post-receive"
    if script.exists() and MARK not in script.read_text(errors="replace") and not force:
        raise Conflict(
            f"{script} is there already, and Slipway did not write it",
            code="foreign_hook",
            fix="Call `slipway hook run` from it, or overwrite it with --force.",
        )
    folder.mkdir(exist_ok=True)
    port = settings.web.port
    host = UNSPECIFIED.get(settings.web.host, settings.web.host)
    file = HookFile(project=known.name, secret=known.secret, host=host, port=port, home=str(settings.home))
    _write(folder / "slipway.json", file.to_json(), PRIVATE, owner=path)
    quoted = {"home": shlex.quote(str(settings.home)), "slipway": shlex.quote(str(slipway))}
    _write(script, HOOK.format(mark=MARK, project=known.name, **quoted).encode(), EXECUTABLE, owner=path)
    return f"{script} tells Slipway of every push to {known.name}"


def hooks_folder(path: Path) -> Path:
    """Return where a bare repository's hooks are. Raises Rejected if it is none."""
    argv = ["git", "-C", str(path), "rev-parse", "--is-bare-repository", "--git-path", "hooks"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    bare, _, folder = done.stdout.strip().partition("\n")
    if done.returncode or bare != "true":
        raise Rejected(
            f"{path} is not a bare git repository", code="not_bare", fix="Make one: git init --bare shop.git"
        )
    return (path / folder).resolve()


def _project(settings: Settings, name: str) -> Project:
    upgrade(settings.database_url)
    with Database(settings.database_url).read() as session:
        known = projects.find(session, name)
    if known is None:
        raise NotFound(f"there is no project {name}", code="unknown_project", fix="slipway project list")
    return known


def _write(path: Path, data: bytes, mode: int, *, owner: Path) -> None:
    """Write a file that belongs to whom the repository belongs to: it is they who push."""
    replace(path, data, mode)
    if os.geteuid() == 0:
        facts = owner.stat()
        os.chown(path, facts.st_uid, facts.st_gid)
