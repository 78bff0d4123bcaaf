"""What the demo acts with: the commands a person would type, and a note of whether each promise held."""

import http.client
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0


@dataclass(kw_only=True)
class Checks:
    """Every promise that was looked at, and whether it held."""

    done: int = 0
    broken: list[str] = field(default_factory=list)

    def check(self, promise: str, held: bool, saw: object = "") -> None:
        """Note one promise and say it."""
        self.done += 1
        click.echo(f"  {click.style('✓', fg='green') if held else click.style('✗', fg='red')} {promise}")
        if not held:
            self.broken.append(promise)
            click.echo(f"      saw: {saw}")

    @property
    def held(self) -> bool:
        """Tell whether every promise held."""
        return self.done > 0 and not self.broken

    def summary(self) -> str:
        """Return one line about all of them."""
        if self.held:
            return f"\nAll {self.done} checks held."
        return f"\n{len(self.broken)} of {self.done} checks did not hold: {'; '.join(self.broken)}"


def slipway(*words: str) -> None:
    """Run a slipway command, its output in sight. Raises on a failure."""
    subprocess.run([ROOT / "slipway", *words], check=True)


def slipway_json(*words: str) -> dict[str, Any]:
    """Run a slipway command and return its JSON; a bare list comes as its `items`."""
    done = subprocess.run([ROOT / "slipway", *words], check=True, capture_output=True, text=True)
    read = json.loads(done.stdout)
    return read if isinstance(read, dict) else {"items": read}


def slipway_text(*words: str) -> str:
    """Run a slipway command and return what it printed."""
    return subprocess.run([ROOT / "slipway", *words], check=True, capture_output=True, text=True).stdout


def git(work: Path, *words: str) -> str:
    """Run git in a work tree as Ana."""
    person = ["-c", "user.name=Ana", "-c", "user.email=ana@example.test", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *person, *words], cwd=work, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def push(work: Path) -> None:
    """Push main, what comes back in sight as it comes."""
    with subprocess.Popen(
        ["git", "push", "slipway", "main"], cwd=work, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as pushing:
        for line in pushing.stderr or ():
            sys.stdout.write(f"  {line.rstrip()}\n")
            sys.stdout.flush()
    if pushing.returncode != 0:
        raise click.ClickException("git push failed")


def curl(url: str, *options: str) -> str:
    """Ask for a page with curl, by name."""
    done = subprocess.run(
        ["curl", "-s", "--max-time", "5", "--noproxy", "*", *options, url], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def dig(server: tuple[str, int], name: str) -> str:
    """Ask the name server for a name with dig."""
    host, port = server
    done = subprocess.run(
        ["dig", "+short", "+time=2", f"@{host}", "-p", str(port), name], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def get(url: str) -> str:
    """Return a page of ours."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - an address of our own
        return str(answer.read().decode())


def until(true: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Wait until something is so; tell whether it came to be."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.2)
    return False


class Load:
    """Clients that keep asking for one page over kept-alive connections, and count what went wrong."""

    def __init__(self, *, port: int, host: str, path: str, clients: int = 4) -> None:
        self._port, self._host, self._path = port, host, path
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]
        self._lock = threading.Lock()
        self.answers: dict[str, int] = {}
        self.faults: list[str] = []

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=10)

    @property
    def total(self) -> int:
        """How many requests were made."""
        return sum(self.answers.values()) + len(self.faults)

    def _ask(self) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)) as connection:
            while not self._stop.is_set():
                try:
                    connection.request("GET", self._path, headers={"Host": self._host})
                    answer = connection.getresponse()
                    self._note(answer.status, answer.read().decode(errors="replace").strip())
                except (OSError, http.client.HTTPException) as fault:
                    self._fault(repr(fault))
                    connection.close()
                time.sleep(0.002)

    def _note(self, status: int, body: str) -> None:
        if status != http.client.OK:
            self._fault(f"{status}: {body[:80]}")
            return
        with self._lock:
            self.answers[body] = self.answers.get(body, 0) + 1

    def _fault(self, what: str) -> None:
        with self._lock:
            self.faults.append(what)
