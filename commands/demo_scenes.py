"""The scenes of the demo: what a person does, and what must then be so."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from commands.demo_tools import (
    ROOT,
    Checks,
    Load,
    curl,
    dig,
    get,
    git,
    push,
    slipway,
    slipway_json,
    slipway_text,
    until,
)

STAGING = "web.staging.shop.slipway"
REVISION = "/cgi-bin/revision"
BUDGET = 60
ANA = "ana@example.test"


@dataclass(kw_only=True)
class Stage:
    """Where the story plays."""

    home: Path
    web: str
    proxy: int
    dns: tuple[str, int]
    registry: str
    began: float
    spent: dict[str, float] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """Ana's clone of the shop."""
        return self.home / "demo" / "shop"

    @property
    def bare(self) -> Path:
        """The repository she pushes to."""
        return self.home / "demo" / "shop.git"

    def api(self, path: str) -> Any:
        """Read the API."""
        return json.loads(get(f"{self.web}/api/v1{path}"))

    def serving(self) -> str:
        """Return the revision that staging serves, asked for by name."""
        return curl(f"http://{STAGING}.localhost:{self.proxy}{REVISION}")

    def run(self, revision: str) -> dict[str, Any]:
        """Return the newest run of a revision."""
        items = self.api(f"/runs?project=shop&revision={revision}&limit=1")["items"]
        return items[0] if items else {"state": "none", "stages": []}

    def message(self, run: dict[str, Any]) -> dict[str, Any]:
        """Return the chat message about a run."""
        items = self.api("/chat/messages")["items"]
        return next((one for one in items if f"shop {run.get('id')} " in one["text"].replace("*", "")), {"text": ""})


def first_push(stage: Stage, checks: Checks) -> None:
    """A push becomes an image, tests in containers, a deployment and a message."""
    _title("A green push")
    _repository(stage)
    pushing = time.monotonic()
    revision = _commit(stage, "A shop that counts")
    push(stage.work)
    run = stage.run(revision)
    served = until(lambda: stage.serving() == revision, 10)
    stage.spent["push, build, tests, two deployments"] = time.monotonic() - pushing
    took = time.monotonic() - stage.began
    checks.check(f"{run.get('id')} passed", run["state"] == "passed", run)
    checks.check(f"http://{STAGING}.localhost:{stage.proxy} answers with {revision[:7]}", served, stage.serving())
    answer = dig(stage.dns, f"{STAGING}.test")
    checks.check(f"dig {STAGING}.test says {answer}", answer == "127.0.0.1", answer)
    named = curl(
        f"http://{STAGING}.test:{stage.proxy}{REVISION}", "--resolve", f"{STAGING}.test:{stage.proxy}:{answer}"
    )
    checks.check(f"{STAGING}.test leads to the same", named == revision, named)
    manifest = curl(
        f"http://{stage.registry}/v2/shop/web/manifests/{revision}", "-o", "/dev/null", "-w", "%{http_code}"
    )
    checks.check(f"the registry has shop/web:{revision[:7]}…", manifest == "200", manifest)
    _check_message(stage, checks, run, "— passed")
    checks.check("the board shows the run", str(run.get("id")) in get(stage.web), "a page without it")
    spent = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in stage.spent.items())
    checks.check(f"first green deployment after {took:.1f} s ({spent})", took < BUDGET, f"{took:.1f} s")


def bad_push(stage: Stage, checks: Checks) -> None:
    """A push whose tests fail deploys nothing, and the message says which."""
    _title("A push whose tests fail")
    before = stage.serving()
    _edit(stage, "api/shop/basket.py", "return sum(", "return 1 + sum(")
    revision = _commit(stage, "Charge for the bag")
    push(stage.work)
    run = stage.run(revision)
    failed = [one["name"] for one in run["stages"] if one["state"] == "failed"]
    checks.check("the run failed in unit-api", run["state"] == "failed" and failed == ["unit-api"], run)
    checks.check(f"staging still serves {before[:7]}", stage.serving() == before, stage.serving())
    _check_message(stage, checks, run, "failed in *unit-api*")


def fix(stage: Stage, checks: Checks) -> None:
    """The fix goes out."""
    _title("The fix")
    _edit(stage, "api/shop/basket.py", "return 1 + sum(", "return sum(")
    revision = _commit(stage, "The bag is free")
    push(stage.work)
    run = stage.run(revision)
    checks.check(f"{run.get('id')} passed", run["state"] == "passed", run)
    checks.check(f"staging serves {revision[:7]}", until(lambda: stage.serving() == revision, 10), stage.serving())


def under_load(stage: Stage, checks: Checks) -> None:
    """A deployment while people are shopping."""
    _title("A deployment under load")
    before = stage.serving()
    _edit(stage, "web/www/index.html", "A shop that counts</h1>", "A shop that counts, and never closes</h1>")
    revision = _commit(stage, "Say that we never close")
    with Load(port=stage.proxy, host=f"{STAGING}.localhost", path=REVISION) as load:
        push(stage.work)
        until(lambda: revision in load.answers, 10)
        time.sleep(1)
    click.echo(f"  {load.total} requests: " + ", ".join(f"{n} by {what[:7]}" for what, n in load.answers.items()))
    checks.check("no request failed", load.total > 0 and not load.faults, load.faults[:3])
    seen = {before, revision} <= set(load.answers)
    checks.check(f"both {before[:7]} and {revision[:7]} were seen", seen, load.answers)


def rollback(stage: Stage, checks: Checks) -> None:
    """Back to what ran before, by a line of chat; the next push does not undo it."""
    _title("/rollback staging")
    cell = _cell(stage)
    now = stage.serving()
    click.echo(
        f"  {slipway_text('chat', 'rollback staging because the new words are dull', '--as', 'ana@example.test')}"
    )
    back = until(lambda: stage.serving() not in {now, ""}, 20)
    checks.check(f"staging went back from {now[:7]} to {stage.serving()[:7]}", back, stage.serving())
    checks.check("it was a deployment of its own", _cell(stage)["deployment"] != cell["deployment"], cell)
    old = stage.serving()
    revision = _commit(stage, "Another try")
    push(stage.work)
    skipped = [one for one in stage.run(revision)["stages"] if one["state"] == "skipped"]
    checks.check(
        "the next push leaves the pinned staging alone", [one["name"] for one in skipped] == ["staging"], skipped
    )
    checks.check(f"staging still serves {old[:7]}", stage.serving() == old, stage.serving())
    slipway("chat", "resume staging", "--as", ANA)


def pages(stage: Stage, checks: Checks) -> None:
    """What people look at."""
    _title("The pages")
    newest = stage.api("/runs?project=shop&limit=1")["items"][0]
    for path in ("/", f"/runs/{newest['id']}", "/environments", "/deployments", "/settings/deliveries"):
        page = get(f"{stage.web}{path}")
        checks.check(f"{stage.web}{path}", "shop" in page and "</html>" in page, page[:200])
    deliveries = stage.api("/deliveries")["items"]
    checks.check(
        f"every one of {len(deliveries)} deliveries has its verdict", all(one["verdict"] for one in deliveries)
    )


SCENES: tuple[tuple[str, Callable[[Stage, Checks], None]], ...] = (
    ("push", first_push),
    ("bad", bad_push),
    ("fix", fix),
    ("load", under_load),
    ("rollback", rollback),
    ("pages", pages),
)


def _title(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _repository(stage: Stage) -> None:
    """Make the bare repository, Ana's clone, the project and its hook, unless they are there."""
    known = [one["name"] for one in slipway_json("project", "list", "--json")["items"]]
    if not stage.bare.exists():
        stage.bare.parent.mkdir(parents=True, exist_ok=True)
        git(stage.home, "init", "-q", "--bare", "-b", "main", str(stage.bare))
    if not stage.work.exists():
        shutil.copytree(ROOT / "examples" / "shop", stage.work, ignore=shutil.ignore_patterns("__pycache__"))
        git(stage.work, "init", "-q", "-b", "main")
        git(stage.work, "remote", "add", "slipway", str(stage.bare))
    if "shop" not in known:
        slipway("project", "add", "shop", "--url", str(stage.bare), "--forge", "git")
    slipway("hook", "install", str(stage.bare), "--project", "shop")


def _commit(stage: Stage, subject: str) -> str:
    git(stage.work, "add", "-A")
    git(stage.work, "commit", "-q", "--allow-empty", "-m", subject)
    return git(stage.work, "rev-parse", "HEAD")


def _edit(stage: Stage, path: str, old: str, new: str) -> None:
    file = stage.work / path
    file.write_text(file.read_text().replace(old, new))


def _check_message(stage: Stage, checks: Checks, run: dict[str, Any], word: str) -> None:
    """The run's one message says what became of it; it is redrawn a moment after the run has ended."""
    said = until(lambda: word in stage.message(run)["text"], 10)
    text = stage.message(run)["text"]
    for line in text.splitlines():
        click.echo(f"    │ {line}")
    checks.check(f"one message about {run.get('id')} says {word}", said, text)


def _cell(stage: Stage) -> dict[str, Any]:
    cells = stage.api("/matrix")["cells"]
    return next((one for one in cells if one["environment"] == "staging" and one["service"].endswith("web")), {})
