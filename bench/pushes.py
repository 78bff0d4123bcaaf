"""Pushes to a whole Slipway of the benchmark's own, timed by what its runs say of themselves."""

import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import requests
from standardwebhooks import Webhook

ROOT = Path(__file__).resolve().parent.parent
PORTS = ("WEB__PORT", "PROXY__HTTP_PORT", "DNS__PORT", "REGISTRY__PORT")
PATIENCE = 300.0
NOTHING = "0" * 40
DOCKERFILE = "FROM slipway/base-busybox:local\nRUN mkdir /www\nCOPY page /www/page\n"
COMMAND = "test -s /www/page"
PERSON = ("-c", "user.name=Ana", "-c", "user.email=ana@example.test", "-c", "commit.gpgsign=false")


class Pushes:
    """A system that runs while this is open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {f"SLIPWAY_{port}": "0" for port in PORTS}
        self.environment["SLIPWAY_HOME"] = str(folder / "home")
        self.where: dict[str, Any] = {}

    def __enter__(self) -> "Pushes":
        self.command("up", "-d")
        self.command("base", "build", "busybox")
        self.where = json.loads(self.command("status", "--json"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.command("down", "--all")

    def command(self, *words: str) -> str:
        """Run a slipway command and return what it printed."""
        argv = [sys.executable, "-m", "cli", *words]
        return subprocess.run(
            argv, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, check=True, text=True
        ).stdout

    def project(self, name: str, *, stages: int = 1) -> "Project":
        """Add a project whose commits are built and then go through so many tests."""
        repository = Repository(self.folder / name)
        repository.write({"Dockerfile": DOCKERFILE, "page": "first\n", "slipway.yml": _stages(stages)})
        told = json.loads(
            self.command("project", "add", name, "--url", str(repository.bare), "--forge", "git", "--json")
        )
        return Project(self, name, repository, told["secret"])

    def runs(self, query: str) -> list[dict[str, Any]]:
        """Return runs as the API tells them."""
        answer = requests.get(f"{self.where['web']}/api/v1/runs?{query}", timeout=30)
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


class Repository:
    """A bare repository and a clone that is pushed to it."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.clone = folder / "bare.git", folder / "clone"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", self.bare], check=True)
        subprocess.run(["git", "init", "-q", "-b", "main", self.clone], check=True)
        subprocess.run(["git", "remote", "add", "origin", self.bare], cwd=self.clone, check=True)

    def write(self, files: dict[str, str]) -> None:
        """Write files into the clone."""
        for path, text in files.items():
            (self.clone / path).write_text(text)

    def push(self, text: str | None, *branches: str) -> str:
        """Commit, with another page if there is a text, push to these branches and return the revision."""
        self.write({"page": text} if text is not None else {})
        self.git("add", "-A")
        self.git(*PERSON, "commit", "-q", "--allow-empty", "-m", "Change something")
        self.git("push", "-q", "origin", *(f"HEAD:refs/heads/{branch}" for branch in branches or ("main",)))
        return self.git("rev-parse", "HEAD")

    def git(self, *words: str) -> str:
        """Run git in the clone and return what it printed."""
        argv = ["git", *words]
        return subprocess.run(argv, cwd=self.clone, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


class Project:
    """A project of the system, told of each push as its hook would."""

    def __init__(self, pushes: Pushes, name: str, repository: Repository, secret: str) -> None:
        self._pushes = pushes
        self._name = name
        self._repository = repository
        self._secret = secret

    def push(self, text: str | None) -> dict[str, float]:
        """Push a commit; return the seconds from the webhook to each thing that happened."""
        revision = self._repository.push(text)
        began = self._tell({"main": revision})
        run = self._ended([revision])[0]
        moments = {stage["name"]: stage for stage in run["stages"]}
        tests = [stage for stage in run["stages"] if stage["kind"] == "test"]
        return {
            "whole": _seconds(run["finished_at"]) - began,
            "first": _seconds(run["stages"][0]["started_at"]) - began,
            "build": _seconds(moments["build"]["started_at"]) - began,
            "tests": _seconds(tests[-1]["finished_at"]) - _seconds(moments["build"]["finished_at"]),
        }

    def push_all(self, branches: list[str]) -> float:
        """Push a commit of its own to each branch at once; return the seconds until all have been tested."""
        heads = {branch: self._repository.push(f"{branch}\n", branch) for branch in branches}
        began = self._tell(heads)
        return max(_seconds(run["finished_at"]) for run in self._ended(list(heads.values()))) - began

    def _tell(self, heads: dict[str, str]) -> float:
        """Post the webhook of a push and return when."""
        changes = [{"ref": f"refs/heads/{name}", "before": NOTHING, "after": after} for name, after in heads.items()]
        body, key, began = json.dumps({"repository": self._name, "changes": changes}), os.urandom(8).hex(), time.time()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": key,
            "webhook-timestamp": str(int(began)),
            "webhook-signature": Webhook(self._secret).sign(key, datetime.fromtimestamp(int(began)).astimezone(), body),
        }
        url = f"{self._pushes.where['web']}/hooks/generic/{self._name}"
        requests.post(url, body.encode(), headers=headers, timeout=30).raise_for_status()
        return began

    def _ended(self, revisions: list[str]) -> list[dict[str, Any]]:
        """Wait until the runs of these revisions have ended and return them. Exits if one did not pass."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            runs = [run for run in self._pushes.runs(f"project={self._name}&limit=50") if run["revision"] in revisions]
            if len(runs) == len(revisions) and all(run["finished_at"] for run in runs):
                if any(run["state"] != "passed" for run in runs):
                    raise SystemExit(f"a run did not pass: {[run['reason'] for run in runs]}")
                return runs
            time.sleep(0.2)
        raise SystemExit("the runs do not end")


def _stages(tests: int) -> str:
    lines = "".join(f"  t{n}: {{test: {{in: web, run: '{COMMAND}', network: none}}}}\n" for n in range(tests))
    return f"services: {{web: {{}}}}\nstages:\n  build: {{build: all}}\n{lines}"


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
