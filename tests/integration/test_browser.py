"""What our own script does in a real browser: keeps the page new, follows the log, takes nothing from the reader."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from runtime.transcripts import FileTranscripts
from store.schema import ProjectRow, RunRow, StageRow
from store.session import Database
from tests import factories as make
from tests import serving
from tests.browser import Page, browser
from tests.parts import need

PATHS = (
    "/", "/runs/r1", "/tests", "/environments", "/deployments", "/settings", "/settings/deliveries",
    "/settings/deliveries/1", "/settings/chat", "/docs",
)  # fmt: skip
LINES = "[...document.querySelectorAll('.log p')].map(p => p.id + ' ' + p.textContent)"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    need("chromium")
    with browser() as opened:
        yield opened


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = make.database(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def url(tmp_path: Path, database: Database) -> Iterator[str]:
    with database.begin() as session:
        stages = {"build": "passed", "unit": "running", "staging": "queued"}
        make.run(session, make.project(session), stages, state="running", began=5)
    with serving.served(serving.app(tmp_path)) as address:
        yield address


def test_a_run_is_followed_to_its_end(page: Page, url: str, tmp_path: Path, database: Database) -> None:
    written = FileTranscripts(tmp_path / "transcripts", limit=1_000_000).open(1, "unit", 1)
    written.write("before")
    time.sleep(0.3)
    page.open(f"{url}/runs/r1")
    page.run("document.querySelector('.log p').mine = 'kept'")
    for number in range(3):
        written.write(f"\x1b[31m<b>line {number}</b>\x1b[0m")
    page.wait("document.querySelectorAll('.log p').length === 4")
    assert page.run(LINES) == ["L1 before", "L2 <b>line 0</b>", "L3 <b>line 1</b>", "L4 <b>line 2</b>"]
    assert page.run("document.querySelector('#L2 .fg1').textContent") == "<b>line 0</b>"
    with database.begin() as session:
        run, unit = session.get_one(RunRow, 1), session.get_one(StageRow, 2)
        unit.state, unit.reason, unit.finished_at = "failed", "no basket", make.NOW
        run.state, run.finished_at = "failed", make.NOW
    page.wait("document.querySelector('.blame')?.textContent.includes('no basket')")
    assert page.run("document.title").startswith("r1 failed")
    assert page.run("document.querySelector('#news').textContent").startswith("r1 failed")
    assert page.run("document.querySelector('#L1').mine") == "kept"
    written.write("after")
    written.close()
    page.wait(f"{LINES}.includes('L5 after')")


def test_a_log_folds_follows_and_leads_to_its_lines(page: Page, url: str, tmp_path: Path, database: Database) -> None:
    with database.begin() as session:
        session.get_one(StageRow, 2).started_at = make.NOW
    written = FileTranscripts(tmp_path / "transcripts", limit=1_000_000).open(1, "unit", 1)
    for line in ("=== web", "all is well", "=== api", "Error: no basket", "=== worker"):
        written.write(line)
    written.settle(5)
    page.open(f"{url}/runs/r1")
    folds = "[...document.querySelectorAll('.log details')].map(one => [one.id, one.open])"
    assert page.run(folds) == [["fold1", False], ["fold3", True], ["fold5", True]]
    for line in ("::group::Install", "fetching", "::endgroup::", "after"):
        written.write(line)
    page.wait("document.querySelector('#L9')")
    assert page.run(folds) == [["fold1", False], ["fold3", True], ["fold5", False], ["fold6", True]]
    assert page.run("document.querySelector('#fold6 .count').textContent") == "3"
    assert page.run("document.querySelector('#L9').closest('details')") is None
    page.run("location.hash = '#L2'")
    page.wait("document.querySelector('#fold1').open")
    page.run("document.querySelector('.log').focus()")
    for letter, wanted in (("w", "document.querySelector('.log.unwrapped')"), ("n", "location.hash === '#L4'")):
        page.run(
            f"document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{key: '{letter}', bubbles: true}}))"
        )
        page.wait(wanted)
    written.close()


def test_a_line_of_another_page_of_a_log_is_found(page: Page, url: str, tmp_path: Path) -> None:
    make.transcript(tmp_path, 1, "unit", "".join(f"line {number}\n" for number in range(1, 5_001)), ended=False)
    page.open(f"{url}/runs/r1#L120")
    page.wait("document.querySelector('#L120')?.textContent === 'line 120'")
    assert "line=120" in page.run("location.search")


def test_a_new_run_does_not_take_the_focus_of_an_old_one(page: Page, url: str, database: Database) -> None:
    page.open(url)
    page.run("document.querySelector('#r1 a').focus()")
    with database.begin() as session:
        make.run(session, _project(session), {"build": "queued"}, state="queued", began=1)
    page.wait("document.querySelector('#r2')")
    assert page.run("document.activeElement.closest('tr').id") == "r1"
    assert page.run("[...document.querySelectorAll('tbody tr')].map(row => row.id)") == ["r2", "r1"]


def test_updates_can_be_paused(page: Page, url: str, database: Database) -> None:
    page.open(url)
    page.run("document.querySelector('#tools button').click()")
    with database.begin() as session:
        session.get_one(RunRow, 1).message = "something else"
    time.sleep(2.5)
    assert "something else" not in page.run("document.querySelector('#live').textContent")
    page.run("document.querySelector('#tools button').click()")
    page.wait("document.querySelector('#live').textContent.includes('something else')")


@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_is_wider_than_the_screen(page: Page, url: str, database: Database, width: int) -> None:
    with database.begin() as session:
        _name_at_length(session)
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=700, deviceScaleFactor=1, mobile=width < 400)
    try:
        for path in (*PATHS, "/runs/r2", "/runs/r3", "/deployments/d1", "/settings/deliveries/2"):
            page.open(f"{url}{path}")
            assert page.run("document.documentElement.scrollWidth") <= width, path
            assert page.run(BROKEN) == [], path
    finally:
        page.call("Emulation.clearDeviceMetricsOverride")


# Codes and times that go over two lines: every other text may be broken in mid-word.
BROKEN = """
[...document.querySelectorAll('.word, .rows time')].filter(e => e.getClientRects().length > 1).map(e => e.outerHTML)
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_against_its_ground(
    page: Page, url: str, database: Database, tmp_path: Path, scheme: str
) -> None:
    with database.begin() as session:
        shop = _project(session)
        make.deployment(session, make.environment(session, shop, pinned_by="bo"), {"web": "a" * 40, "api": "c" * 40})
        for number, state in enumerate(("failed", "error", "cancelled", "superseded", "waiting")):
            make.run(session, shop, {"unit": state}, state=state, reason="because", began=90 + number)
        make.delivery(session, shop, verdict="refused", code="bad_signature")
        make.message(session, "*shop* `1a2b3c4` <!channel>")
    colours = "".join(
        f"\x1b[{code}mcolour {code}\x1b[0m\n" for code in (*range(30, 38), *range(90, 98), *range(41, 48))
    )
    make.transcript(tmp_path, 1, "unit", colours)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    for path in PATHS:
        page.open(f"{url}{path}")
        assert page.run(CONTRAST) == [], path


# Every text's colour against what lies under it, as the browser has worked both out: WCAG 2.2, 1.4.3.
CONTRAST = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => {
    const part = c[i] / 255;
    return sum + share * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  }, 0);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255, 255];
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faults = new Set();
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !element.checkVisibility() || element.closest("noscript, .sr")) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const text = element.textContent.slice(0, 30);
    if (ratio < 4.5) faults.add(`${ratio.toFixed(2)} ${element.tagName}.${element.className}: ${text}`);
  }
  return [...faults];
})()
"""


def _name_at_length(session: Session) -> None:
    """Give everything that may be long the longest name there can be."""
    long, ref = "a-very-long-word-that-nobody-broke-" * 4, f"refs/heads/{'x' * 300}"
    shop, other = _project(session), make.project(session, "a" * 40, default_branch="b" * 250)
    make.delivery(session, shop, detail=long, headers={"x-long": long}, body=long.encode(), source="sweep")
    make.delivery(session, other, event="e" * 100, verdict="refused", code="bad_signature", detail=f"on {ref}: no")
    make.run(session, other, {"build": "passed", "unit": "failed"}, ref=ref, state="failed", reason="z" * 300, began=9)
    make.run(session, other, {"build": "running"}, ref=ref, state="running", message="m" * 500, author="u" * 200)
    make.run(session, other, {"unit": "failed"}, ref=f"refs/heads/{'b' * 250}", state="failed", began=8)
    place = make.environment(session, other)
    make.deployment(session, place, {"web": "a" * 40, "a-service-with-a-long-name": "b" * 40})
    make.image(session, session.get_one(RunRow, 1))


def _project(session: Session) -> ProjectRow:
    return session.get_one(ProjectRow, 1)
