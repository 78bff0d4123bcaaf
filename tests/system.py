"""Drives a running Slipway from outside: pushes repositories, reads pages, looks behind the scenes."""

import hashlib
import hmac
import http.client
import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy

ROOT = Path(__file__).resolve().parent.parent
SIGNING_SECRET = "the signing secret of the tests"
PORTS = ("WEB__PORT", "PROXY__HTTP_PORT", "DNS__PORT", "REGISTRY__PORT")
NEW = "0" * 40

DOCKERFILE = """FROM slipway/base-busybox:local
COPY . /www
EXPOSE 8080
CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]
"""
SLIPWAY_YML = """services:
  web: {port: 8080, health: {path: /index.html}, drain: 3s, main: true}
stages:
  build: {build: all}
  unit: {test: {in: web, run: "sh /www/test.sh", network: none}, timeout: 60s, silence: 30s}
  ci: {deploy: ci}
  staging: {deploy: staging}
"""


@dataclass(kw_only=True)
class Answer:
    """What a request brought back."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


@dataclass(kw_only=True)
class System:
    """One home and what runs in it."""

    home: Path
    work: Path
    settings: dict[str, str] = field(default_factory=dict)
    where: dict[str, Any] = field(default_factory=dict)
    # Words before each command, such as those that put it into another network.
    inside: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """The variables every command of this home gets."""
        ports = {f"SLIPWAY_{name}": "0" for name in PORTS}
        ours = {"SLIPWAY_HOME": str(self.home), "SLIPWAY_SLACK__SIGNING_SECRET": SIGNING_SECRET}
        return os.environ | ports | ours | self.settings

    def up(self) -> None:
        """Start everything and build the one base that the tests' images stand on."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.command("up", "-d")
        self.command("base", "build", "busybox")
        self.where = json.loads(self.command("status", "--json"))

    def down(self) -> None:
        """Take everything down."""
        self.command("down", "--all")

    def command(self, *words: str, check: bool = True) -> str:
        """Run a slipway command and return what it printed."""
        done = subprocess.run(
            [*self.inside, ROOT / "slipway", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert not check or done.returncode == 0, f"slipway {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Ask the web process."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.where['web']}{path}", data=body, headers=named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return Answer(status=answer.status, text=answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(status=error.code, text=error.read().decode())

    def api(self, path: str) -> Any:
        """Read the API."""
        answer = self.request("GET", f"/api/v1{path}")
        assert answer.status == 200, answer.text
        return answer.json

    def ask(self, host: str, path: str = "/") -> Answer:
        """Ask the proxy for a page of a name."""
        connection = http.client.HTTPConnection("127.0.0.1", self.where["proxy"]["http"], timeout=10)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return Answer(status=answer.status, text=answer.read().decode(errors="replace"))
        finally:
            connection.close()

    def say(self, line: str, person: str = "ana@example.test") -> dict[str, Any]:
        """Speak a line of chat from the command line."""
        spoken: dict[str, Any] = json.loads(self.command("chat", line, "--as", person, "--json", check=False))
        return spoken

    def slash(self, command: str, text: str, *, age: int = 0, secret: str = SIGNING_SECRET, nonce: str = "") -> Answer:
        """Speak as Slack does: a signed form."""
        stamp = str(int(time.time()) - age)
        form = {"command": command, "text": text, "user_id": "U1", "user_name": "ana", "team_id": "T1"}
        form |= {"channel_id": "C1", "trigger_id": nonce or f"{time.monotonic_ns()}", "response_url": ""}
        body = urllib.parse.urlencode(form).encode()
        signed = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        return self.request(
            "POST",
            "/slack/commands",
            body,
            Content_Type="application/x-www-form-urlencoded",
            X_Slack_Request_Timestamp=stamp,
            X_Slack_Signature=f"v0={signed}",
        )

    def repository(self, name: str, files: dict[str, str] | None = None) -> "Repository":
        """Make a project with a bare repository, a hook and a clone to push from."""
        repository = self.bare_repository(name, files)
        self.command("project", "add", name, "--url", str(repository.bare), "--forge", "git")
        self.command("hook", "install", str(repository.bare), "--project", name)
        return repository

    def bare_repository(self, name: str, files: dict[str, str] | None = None) -> "Repository":
        """Make a bare repository that nobody knows of, and a clone to push from."""
        bare, clone = self.work / f"{name}.git", self.work / name
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", bare], check=True)
        subprocess.run(["git", "init", "-q", "-b", "main", clone], check=True)
        subprocess.run(["git", "remote", "add", "origin", bare], cwd=clone, check=True)
        repository = Repository(system=self, name=name, clone=clone, bare=bare)
        repository.write(files if files is not None else service_files("one"))
        return repository

    def wait_run(self, revision: str, seconds: float = 90, project: str = "") -> dict[str, Any]:
        """Wait until the run of a revision has ended and return it."""
        query = f"/runs?revision={revision}&limit=1" + (f"&project={project}" if project else "")
        found: dict[str, Any] = {}

        def ended() -> bool:
            items = self.api(query)["items"]
            found.update(items[0] if items else {})
            return found.get("state") not in {None, "queued", "running", "waiting"}

        until(ended, seconds, lambda: f"the run of {revision[:7]} is {found}")
        return found

    def cell(self, project: str, environment: str = "staging") -> dict[str, Any]:
        """Return what runs in an environment."""
        cells = self.api("/matrix")["cells"]
        mine = [one for one in cells if one["environment"] == environment and project in json.dumps(one["urls"])]
        return mine[0] if mine else {}

    @contextmanager
    def sql(self) -> Iterator[sqlalchemy.Connection]:
        """Read the database behind the system's back."""
        engine = sqlalchemy.create_engine(f"sqlite:///{self.home / 'slipway.db'}")
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def value(self, query: str, **values: Any) -> Any:
        """Return one value of the database."""
        with self.sql() as connection:
            return connection.execute(sqlalchemy.text(query), values).scalar()


@dataclass(kw_only=True)
class Repository:
    """A clone to push from."""

    system: System
    name: str
    clone: Path
    bare: Path

    def write(self, files: dict[str, str]) -> None:
        """Write files into the work tree."""
        for path, text in files.items():
            target = self.clone / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)

    def commit(self, subject: str = "Change something", files: dict[str, str] | None = None) -> str:
        """Commit everything and return the revision."""
        self.write(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def push(self, ref: str = "main", *options: str) -> str:
        """Push and return what came back, when the hook is done."""
        words = ["git", "push", *options, "origin", ref]
        done = subprocess.run(words, cwd=self.clone, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def start_push(self, ref: str = "main") -> "subprocess.Popen[bytes]":
        """Push without waiting for what comes back."""
        return subprocess.Popen(
            [*self.system.inside, "git", "push", "-q", "origin", ref],
            cwd=self.clone,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def push_quietly(self, ref: str = "main") -> None:
        """Push and wait only until the push has been taken in."""
        revision = self.git("rev-parse", ref)
        with self.start_push(ref) as pushing:
            try:
                count = "select count(*) from run where revision = :revision"
                until(lambda: self.system.value(count, revision=revision) > 0, 60, lambda: f"no run of {revision}")
            finally:
                pushing.kill()

    def git(self, *words: str) -> str:
        """Run git in the clone as Ana."""
        person = ["-c", "user.name=Ana", "-c", "user.email=ana@example.test", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *person, *words], cwd=self.clone, capture_output=True, text=True, check=True)
        return done.stdout.strip()


def service_files(word: str, test: str = "echo fine") -> dict[str, str]:
    """Return the files of a small service that answers with a word."""
    return {"Dockerfile": DOCKERFILE, "slipway.yml": SLIPWAY_YML, "index.html": f"{word}\n", "test.sh": f"{test}\n"}


def until(true: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Wait until something is so; fail with a sentence if it never is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)
