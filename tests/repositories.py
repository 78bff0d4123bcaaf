"""Real bare repositories for tests, filled by git's own plumbing: any name and any tree that git can hold."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MODES = {"file": "100644", "link": "120000", "program": "100755", "module": "160000"}


@dataclass(frozen=True, slots=True)
class Repository:
    """A bare repository."""

    path: Path

    @classmethod
    def make(cls, path: Path, *options: str) -> "Repository":
        """Make an empty one."""
        subprocess.run(["git", "init", "--quiet", "--bare", *options, str(path)], check=True)
        return cls(path)

    @property
    def url(self) -> str:
        """Its address."""
        return str(self.path)

    def git(self, *arguments: str, stdin: bytes = b"", **environment: str) -> str:
        """Run git on it."""
        person = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Ana <&>"), ("EMAIL", "ana@example.test"))
        }
        done = subprocess.run(
            ["git", f"--git-dir={self.path}", *arguments],
            input=stdin,
            stdout=subprocess.PIPE,
            check=True,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | person | environment,
        )
        return done.stdout.decode().strip()

    def blob(self, content: bytes) -> str:
        """Store a file's content."""
        return self.git("hash-object", "-w", "--stdin", stdin=content)

    def tree(self, files: Mapping[str, bytes], kinds: Mapping[str, str] | None = None) -> str:
        """Store a tree of files; `kinds` names those that are something else than plain."""
        kinds = kinds or {}
        here: list[str] = []
        below: dict[str, dict[str, bytes]] = {}
        for path, content in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = content
                continue
            kind = kinds.get(path, "file")
            oid = content.decode() if kind == "module" else self.blob(content)
            here.append(f"{MODES[kind]} {'commit' if kind == 'module' else 'blob'} {oid}\t{name}\0")
        for name, inner in below.items():
            inner_kinds = {path.removeprefix(f"{name}/"): kind for path, kind in kinds.items() if path.startswith(name)}
            here.append(f"040000 tree {self.tree(inner, inner_kinds)}\t{name}\0")
        return self.git("mktree", "-z", "--missing", stdin="".join(here).encode())

    def commit(
        self,
        files: Mapping[str, bytes],
        *,
        ref: str | None = "refs/heads/main",
        parent: str | None = None,
        message: str = "A commit",
        kinds: Mapping[str, str] | None = None,
    ) -> str:
        """Store a commit and point a ref at it."""
        parents = ("-p", parent) if parent else ()
        revision = self.git("commit-tree", self.tree(files, kinds), *parents, "-F", "-", stdin=message.encode())
        if ref:
            self.point(ref, revision)
        return revision

    def point(self, ref: str, revision: str) -> None:
        """Point a ref at a revision, past any rule for names but git's own."""
        self.git("update-ref", ref, revision)
