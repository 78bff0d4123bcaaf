"""`slipway project` and `slipway hook`, with real repositories, real pushes and the real web process."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from sqlalchemy import func, select

from commands.hosts import forge_of
from pipeline.outcome import Outcome, State
from pipeline.stage import Kind, PlannedStage
from store import runs
from store.schema import DeliveryRow, RunRow
from store.session import Database
from tests.parts import need

ROOT = Path(__file__).resolve().parents[2]
GIT = ["git", "-c", "user.name=Ana", "-c", "user.email=ana@example.test", "-c", "commit.gpgsign=false"]
REMOTE = "remote: "


@dataclass(kw_only=True)
class Home:
    """A home, a bare repository registered in it, and a clone to push from."""

    path: Path
    work: Path
    port: int

    @property
    def bare(self) -> Path:
        return self.work / "origin.git"

    @property
    def database(self) -> Database:
        return Database(f"sqlite:///{self.path / 'slipway.db'}")

    def slipway(self, *words: str, code: int = 0) -> str:
        env = os.environ | {"SLIPWAY_HOME": str(self.path), "SLIPWAY_WEB__PORT": str(self.port)}
        done = subprocess.run(
            [ROOT / "slipway", *words], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def git(self, *words: str) -> str:
        done = subprocess.run([*GIT, *words], cwd=self.work / "clone", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *words: str) -> list[str]:
        """Push, and return what came back as remote: lines."""
        env = os.environ | {"GIT_TRACE_SETUP": "0"}
        argv = [*GIT, "push", "origin", *(words or ("main",))]
        done = subprocess.run(argv, cwd=self.work / "clone", capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stderr
        rows = [line.removeprefix(REMOTE).rstrip() for line in done.stderr.splitlines() if line.startswith(REMOTE)]
        return [row for row in rows if row]

    def count(self, table: Any) -> int:
        database = self.database
        with database.read() as session:
            found = session.scalar(select(func.count()).select_from(table)) or 0
        database.engine.dispose()
        return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    need("git")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Home(path=tmp_path / "home", work=tmp_path, port=port)
    for words in (["--bare", "-b", "main", "origin.git"], ["-b", "main", "clone"]):
        subprocess.run(["git", "init", "-q", *words], cwd=tmp_path, check=True)
    made.git("remote", "add", "origin", str(made.bare))
    made.commit("A shop that counts")
    return made


@pytest.fixture
def shop(home: Home) -> Home:
    home.slipway("project", "add", "shop", "--url", str(home.bare))
    home.slipway("hook", "install", str(home.bare), "--project", "shop")
    return home


@pytest.fixture
def up(shop: Home) -> Iterator[Home]:
    env = os.environ | {"SLIPWAY_HOME": str(shop.path), "SLIPWAY_WEB__PORT": str(shop.port)}
    argv = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "app:create_app()"]
    process = subprocess.Popen(argv, cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(shop.port))
        yield shop
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


def wait_until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


class Worker(threading.Thread):
    """Carries each run through its stages, with the outcomes it is told."""

    def __init__(self, home: Home, *outcomes: tuple[str, Kind, Outcome]) -> None:
        super().__init__(daemon=True)
        self._home, self._outcomes = home, outcomes

    def run(self) -> None:
        database = self._home.database
        wait_until(lambda: self._home.count(RunRow) > 0)
        plan = [PlannedStage(name=name, kind=kind, needs=("source",)) for name, kind, _ in self._outcomes]
        with database.begin() as session:
            runs.plan(session, 1, plan)
        for outcome in (Outcome(state=State.PASSED), *(outcome for _, _, outcome in self._outcomes)):
            with database.begin() as session:
                (stage, *_) = runs.load(session, 1).ready
                runs.begin(session, stage.id, at=datetime.now(UTC))
            time.sleep(0.3)
            with database.begin() as session:
                runs.end(session, stage.id, outcome, at=datetime.now(UTC))
        database.engine.dispose()


def test_adding_a_project_prints_its_address_and_secret_once(home: Home) -> None:
    added = json.loads(home.slipway("project", "add", "shop", "--url", str(home.bare), "--forge", "github", "--json"))
    assert added.keys() == {"name", "hook_url", "secret"}
    assert added["hook_url"] == f"http://127.0.0.1:{home.port}/hooks/github/shop"
    assert added["secret"].startswith("whsec_")
    listed = home.slipway("project", "list", "--json")
    assert [one["name"] for one in json.loads(listed)["items"]] == ["shop"]
    assert added["secret"] not in listed + home.slipway("project", "list")
    assert "already" in home.slipway("project", "add", "shop", "--url", str(home.bare), code=3)


@pytest.mark.parametrize("url", ["ext::sh -c id", "--upload-pack=id", "/nowhere/shop.git", "git://h/x", "http://", ""])
def test_an_address_that_cannot_be_fetched_is_refused(home: Home, url: str) -> None:
    assert "slipway:" in home.slipway("project", "add", "shop", f"--url={url}", code=2)
    assert json.loads(home.slipway("project", "list", "--json")) == {"items": [], "next": None}


@pytest.mark.parametrize("name", ["Shop", "all", "-x", "a b", "a" * 41])
def test_a_name_that_cannot_be_a_dns_label_is_refused(home: Home, name: str) -> None:
    home.slipway("project", "add", "--url", str(home.bare), "--", name, code=2)


@pytest.mark.parametrize(
    ("url", "forge"),
    [
        ("https://github.com/acme/shop.git", "github"),
        ("git@github.com:acme/shop.git", "github"),
        ("ssh://git@GitHub.com/acme/shop.git", "github"),
        ("https://gitlab.com/acme/web/shop.git", "gitlab"),
        ("git@gitlab.acme.test:web/shop.git", "gitlab"),
        ("https://codeberg.org/acme/shop.git", "forgejo"),
        ("https://gitea.com/acme/shop.git", "gitea"),
        ("https://gogs.acme.test/acme/shop.git", "gogs"),
        ("git@bitbucket.org:acme/shop.git", "bitbucket"),
        ("ssh://git@bitbucket.acme.test:7999/web/shop.git", "bitbucket-server"),
        ("https://git.example.test/acme/shop.git", "git"),
        ("https://github.com.evil.test/acme/shop.git", "git"),
        ("/srv/github.com/shop.git", "git"),
    ],
)
def test_the_forge_follows_from_the_address(url: str, forge: str) -> None:
    assert forge_of(url) == forge


def test_the_hook_is_executable_and_its_secret_is_for_the_owner_only(shop: Home) -> None:
    hook, file = shop.bare / "hooks" / "post-receive", shop.bare / "hooks" / "slipway.json"
    assert hook.stat().st_mode & 0o777 == 0o755
    assert file.stat().st_mode & 0o777 == 0o600
    secret = json.loads(file.read_text())["secret"]
    assert secret.startswith("whsec_")
    assert secret not in hook.read_text()
    before = hook.read_text(), file.read_text()
    shop.slipway("hook", "install", str(shop.bare), "--project", "shop")
    assert (hook.read_text(), file.read_text()) == before


def test_a_hook_that_is_not_ours_stays_unless_forced(home: Home) -> None:
    home.slipway("project", "add", "shop", "--url", str(home.bare))
    hook = home.bare / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\necho mine\n")
    assert "--force" in home.slipway("hook", "install", str(home.bare), "--project", "shop", code=3)
    assert "mine" in hook.read_text()
    home.slipway("hook", "install", str(home.bare), "--project", "shop", "--force")
    assert "slipway" in hook.read_text()


def test_only_a_bare_repository_and_a_known_project_get_a_hook(home: Home) -> None:
    assert "bare" in home.slipway("hook", "install", str(home.work / "clone"), "--project", "shop", code=2)
    assert "bare" in home.slipway("hook", "install", "/nowhere", "--project", "shop", code=2)
    assert "no project shop" in home.slipway("hook", "install", str(home.bare), "--project", "shop", code=4)


def test_a_push_is_safe_though_slipway_does_not_answer_and_can_be_told_again(shop: Home) -> None:
    revision = shop.git("rev-parse", "HEAD")
    said = "\n".join(shop.push())
    assert "Your push is safe" in said
    assert f"hook resend {shop.bare} --ref refs/heads/main" in said
    assert (
        subprocess.run(
            ["git", "-C", shop.bare, "rev-parse", "main"], capture_output=True, text=True, check=True
        ).stdout.strip()
        == revision
    )
    assert "does not answer" in shop.slipway("hook", "resend", str(shop.bare), code=5)
    assert "has no" in shop.slipway("hook", "resend", str(shop.bare), "--ref", "nothing", code=2)


def test_a_push_is_safe_though_the_hooks_file_is_gone_or_junk(shop: Home) -> None:
    (shop.bare / "hooks" / "slipway.json").write_text("junk")
    assert "Your push is safe" in shop.push()[0]
    shop.commit("Again")
    (shop.bare / "hooks" / "slipway.json").unlink()
    assert "Your push is safe" in shop.push()[0]


def test_a_push_shows_its_run_stage_by_stage(up: Home) -> None:
    served = Outcome(state=State.PASSED, sentence="d1 · http://web.staging.shop.slipway.localhost:8080")
    Worker(
        up, ("build", Kind.BUILD, Outcome(state=State.PASSED, sentence="web, api")), ("staging", Kind.DEPLOY, served)
    ).start()
    first, *rest, last = up.push()
    revision = up.git("rev-parse", "HEAD")
    assert first.startswith(f"shop r1  {revision[:7]} “A shop that counts”")
    assert first.endswith(f"http://127.0.0.1:{up.port}/runs/r1")
    assert [row.split()[:2] for row in rest] == [["build", "✓"], ["staging", "✓"]]
    assert last.startswith("shop r1 passed after")
    assert last.endswith("http://web.staging.shop.slipway.localhost:8080")
    assert "already handled as r1" in up.slipway("hook", "resend", str(up.bare))


def test_a_push_whose_tests_fail_shows_their_last_lines(up: Home) -> None:
    failed = Outcome(state=State.FAILED, sentence="exit code 1", tail=("E   assert 1 == 2", "1 failed"))
    Worker(up, ("unit", Kind.TEST, failed)).start()
    said = up.push()
    assert said[1].split() == ["unit", "✗", "exit", "code", "1", "0", "s"]
    assert [row.strip() for row in said[2:-1]] == ["E   assert 1 == 2", "1 failed"]
    assert said[-1].startswith("shop r1: failed in unit: exit code 1")


def test_a_push_of_three_refs_is_one_delivery_and_the_deleted_one_is_named(up: Home) -> None:
    (up.bare / "hooks" / "post-receive").rename(up.bare / "hooks" / "off")
    up.push("main:old")
    (up.bare / "hooks" / "off").rename(up.bare / "hooks" / "post-receive")
    up.commit("Only words [skip ci]")
    up.git("tag", "v1")
    said = " ".join(up.push("main", "v1", ":old"))
    assert "old was deleted" in said
    assert "asks for no run" in said
    assert (up.count(DeliveryRow), up.count(RunRow)) == (1, 0)


def test_a_secret_that_no_longer_matches_is_said(up: Home) -> None:
    file = up.bare / "hooks" / "slipway.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"secret": "whsec_d3Jvbmc="}))
    said = "\n".join(up.push())
    assert "Your push is safe" in said
    assert "signature was refused" in said


def test_the_first_line_comes_within_half_a_second(up: Home) -> None:
    zero, revision = "0" * 40, up.git("rev-parse", "HEAD")
    argv = [up.bare / "hooks" / "post-receive"]
    began = time.monotonic()
    with subprocess.Popen(argv, cwd=up.bare, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hook:
        assert hook.stdin and hook.stdout
        hook.stdin.write(f"{zero} {revision} refs/heads/main\n")
        hook.stdin.close()
        line = hook.stdout.readline()
        took = time.monotonic() - began
        hook.terminate()
    assert line.startswith("shop r")
    assert took < 0.5
