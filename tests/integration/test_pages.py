"""The pages: complete without JavaScript, safe whatever people wrote, and with a next step where there is nothing."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from config.settings import ROOT
from store.schema import ForgeAccountRow, StageRow
from store.session import Database
from tests import factories as make
from tests import serving
from tests.parts import need
from tests.unit.test_ansi import PAYLOADS

PAGES = (
    "/", "/runs/r1", "/environments", "/deployments", "/deployments/d1", "/settings", "/settings/deliveries",
    "/settings/deliveries/1", "/settings/chat", "/docs",
)  # fmt: skip
CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=1500",
    "--dump-dom",
)  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = make.database(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def client(tmp_path: Path, database: Database) -> FlaskClient:
    return serving.app(tmp_path, at=make.NOW).test_client()


def get(client: FlaskClient, path: str, status: int = 200) -> str:
    answer = client.get(path, headers={"Accept": "text/html"}, follow_redirects=True)
    assert answer.status_code == status, answer.text
    assert answer.content_type == "text/html; charset=utf-8"
    return answer.text


class Check(HTMLParser):
    """Finds what no page may hold, and tags that are not closed."""

    VOID = frozenset({"meta", "link", "input", "hr", "br", "img", "use", "path", "rect", "circle"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: set[str] = set()
        self.open: list[str] = []
        self.feed(page)
        self.faults += [f"<{tag}> is not closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "script" and (values.get("src") not in {"/static/live.js", "/static/log.js"}):
            self.faults.append("a script that is not ours")
        self.faults += [f"{name} on <{tag}>" for name in values if name.startswith("on") or name == "style"]
        address = values.get("href") or values.get("src") or ""
        if not re.match(r"(/(?!/)|#|\?|https?://|$)", address):
            self.faults.append(f"{tag} leads to {address}")
        if values.get("id") in self.ids:
            self.faults.append(f"two things are called {values['id']}")
        self.ids.add(values.get("id") or "")
        self.ids.discard("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()


def full(database: Database, home: Path, words: str = "fine") -> None:
    """Put something with these words into every field that somebody outside may fill."""
    with database.begin() as session:
        shop = make.project(session)
        stages: list[dict[str, Any]] = [
            {"name": "build", "state": "passed", "reason": words},
            {"name": "unit", "state": "failed", "reason": words, "tail": [words]},
            {"name": "staging", "state": "skipped", "reason": words},
        ]
        run = make.run(
            session, shop, stages, state="failed", message=words, author=words, reason=words, ref=f"refs/heads/{words}"
        )
        make.image(session, run)
        make.run(session, shop, {"build": "running"}, state="running", began=5, message=words, author=words)
        place = make.environment(session, shop, pinned_by=words, pin_reason=words)
        steps = [{"name": words, "detail": words, "at": make.NOW.isoformat()}]
        make.deployment(session, place, {"web": "a" * 40}, run_id=run.id, actor=words, reason=words, steps=steps)
        make.delivery(session, shop, event=words, detail=words, code=words, key=words)
        section = {"type": "section", "text": {"type": "mrkdwn", "text": words}}
        button = {"type": "button", "text": {"type": "plain_text", "text": words}, "url": words}
        blocks = [section, {"type": "header", "text": {"text": words}}, {"type": "actions", "elements": [button]}]
        make.message(session, words, blocks=blocks, channel=words)
        make.message(session, words, at=3)
    make.transcript(home, 1, "unit", f"{words}\n")


@pytest.mark.parametrize("payload", ["fine", *PAYLOADS])
def test_whatever_people_write_is_text_on_every_page(
    client: FlaskClient, database: Database, tmp_path: Path, payload: str
) -> None:
    full(database, tmp_path, payload)
    for path in PAGES:
        assert Check(get(client, path)).faults == [], path


def test_no_script_of_theirs_runs_in_a_browser(database: Database, tmp_path: Path) -> None:
    need("chromium")
    script = "document.body.id='owned'"
    evil = f'<img src=x onerror="{script}"><script>{script}</script>\x1b]8;;javascript:{script}\x07x'
    full(database, tmp_path, evil)
    with serving.served(serving.app(tmp_path)) as url:
        for path in ("/", "/runs/r1", "/settings/chat"):
            with tempfile.TemporaryDirectory() as profile:
                argv = [*CHROMIUM, f"--user-data-dir={profile}", f"{url}{path}"]
                done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
            assert "Pause updates" in done.stdout, "our own script did run"
            assert 'id="owned"' not in done.stdout
            assert 'id="tools"' in done.stdout


def test_a_run_shows_first_why_it_failed(client: FlaskClient, database: Database, tmp_path: Path) -> None:
    full(database, tmp_path, "the reason")
    page = get(client, "/runs/1")
    assert page.index("unit failed") < page.index("Stages")
    with database.begin() as session:
        session.query(StageRow).filter_by(run_id=1, name="unit").one().title = "Fast <tests>"
    titled = get(client, "/runs/1")
    assert "Fast &lt;tests&gt; (unit) failed</h2>" in titled and "<b>Fast &lt;tests&gt; (unit)</b>" in titled
    assert '<p id="L1"><a href="#L1" data-n="1" aria-label="Line 1"></a>the reason</p>' in page
    assert "<title>r1 failed" in get(client, "/r/1") and "<title>d1 deployed" in get(client, "/d/d1")


def test_a_page_that_is_under_way_comes_again_without_javascript(
    client: FlaskClient, database: Database, tmp_path: Path
) -> None:
    full(database, tmp_path)
    again = '<noscript><meta http-equiv="refresh" content="5"></noscript>'
    assert again in get(client, "/") and again in get(client, "/runs/r2")
    assert again not in get(client, "/runs/r1") and again not in get(client, "/settings/chat")


def test_a_long_log_is_paged_from_its_end(client: FlaskClient, database: Database, tmp_path: Path) -> None:
    full(database, tmp_path)
    make.transcript(tmp_path, 1, "unit", "".join(f"row {number}\n" for number in range(1, 4_502)))
    last, first = get(client, "/runs/r1"), get(client, "/runs/r1?stage=unit&page=1")
    assert 'id="L4501"' in last and 'id="L4001"' in last and 'id="L4000"' not in last
    assert 'id="L1"' in first and 'id="L2000"' in first and 'id="L2001"' not in first
    for strange in ("0", "-3", "99", "x", ""):
        assert "row " in get(client, f"/runs/r1?page={strange}")


def test_a_stage_that_runs_is_followed_from_where_the_page_ends(
    client: FlaskClient, database: Database, tmp_path: Path
) -> None:
    full(database, tmp_path)
    make.transcript(tmp_path, 2, "build", "one\ntwo\nhal", ended=False)
    page = get(client, "/runs/r2")
    assert 'data-stream="/api/v1/runs/r2/stages/build/log/stream?as=html&amp;from=8" data-last="2"' in page
    assert "data-stream" not in get(client, "/runs/r1")


def test_empty_pages_say_what_to_do_next(client: FlaskClient) -> None:
    for path in ("/", "/environments", "/deployments", "/settings/deliveries", "/settings/chat"):
        page = get(client, path)
        assert "./slipway " in page and Check(page).faults == [], path


def test_a_project_without_a_run_says_what_was_wrong_with_its_last_delivery(
    client: FlaskClient, database: Database
) -> None:
    with database.begin() as session:
        shop = make.project(session)
    assert "http://127.0.0.1:8070/hooks/github/shop" in get(client, "/")
    with database.begin() as session:
        make.delivery(session, shop, verdict="refused", code="bad_signature", detail="The signature does not match.")
    assert "The signature does not match." in get(client, "/")


def test_the_board_says_since_when_and_by_whom_the_branch_fails(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        shop = make.project(session)
        for number, state in enumerate(("passed", "failed", "failed", "superseded")):
            make.run(session, shop, began=100 - number, state=state, author=f"P{number} <p@x>")
        make.run(session, shop, began=2, state="passed", took=1000, wanted=["unit"])
        make.run(session, shop, began=1, state="passed", ref="refs/heads/side")
    page = get(client, "/")
    assert "main fails" in page and re.search(r'since .*href="/runs/r2">r2</a> by P1', page)
    assert "usually 9.8 s" in page


def test_errors_are_pages_for_people_and_problems_for_programs(client: FlaskClient) -> None:
    page = get(client, "/runs/r404", 404)
    assert "there is no run r404" in page and Check(page).faults == []
    assert json.loads(client.get("/runs/r404", headers={"Accept": "application/json"}).text)["code"] == "not_found"
    assert client.get("/nothing", headers={"Accept": "text/html"}).status_code == 404


def test_every_answer_carries_the_rules_for_browsers(client: FlaskClient) -> None:
    for path in ("/", "/nothing", "/api/v1/runs", "/static/live.js", "/healthz"):
        with client.get(path) as answer:
            headers = answer.headers
        assert (
            "default-src 'self'" in headers["Content-Security-Policy"]
            and "unsafe" not in headers["Content-Security-Policy"]
        )
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"]


def test_pages_are_small_and_ask_nobody_else(client: FlaskClient, database: Database, tmp_path: Path) -> None:
    full(database, tmp_path)
    with database.begin() as session:
        shop = make.project(session, "blog")
        for number in range(60):
            make.run(session, shop, {"build": "passed", "unit": "passed"}, began=100 - number)
    for path in PAGES:
        assert len(get(client, path)) < 150_000, path
    css = (ROOT / "dashboard/static/slipway.css").read_text()
    assert len(css.encode()) <= 20 * 1024 and "url(" not in css and "@import" not in css
    assert "http" not in (ROOT / "dashboard/static/live.js").read_text()


def test_a_run_says_first_what_came_in_its_place_or_was_left_out(client: FlaskClient, database: Database) -> None:
    held = "held: 1a2b3c4 is not after 9f8e7d6, which is live"
    with database.begin() as session:
        shop = make.project(session)
        kept = make.delivery(session, shop)
        make.run(session, shop, began=9, state="superseded", reason="9f8e7d6 is newer", superseded_by=2)
        stages = [{"name": "unit", "state": "passed"}, {"name": "staging", "state": "skipped", "reason": held}]
        make.run(session, shop, stages, began=8, delivery_id=kept.id)
        make.run(session, shop, began=7, state="skipped", reason="only docs/** changed", code="ignored_path")
    superseded, passed, skipped = (get(client, f"/runs/r{number}") for number in (1, 2, 3))
    assert 'Superseded by <a href="/runs/r2">r2</a>' in superseded and "9f8e7d6 is newer" in superseded
    assert passed.index(f"<b>staging</b> was not done: {held}") < passed.index("Stages</h2>")
    assert f'<a href="/settings/deliveries/{kept.id}">pushed</a>' in passed
    assert skipped.index("only docs/** changed") < skipped.index("Stages</h2>")


def test_a_push_that_only_looking_found_says_so(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        shop = make.project(session)
        make.run(session, shop, began=9)
    assert "found by looking" not in get(client, "/")
    with database.begin() as session:
        kept = make.delivery(session, shop, source="sweep", headers={}, body=b"")
        make.run(session, shop, began=8, trigger="sweep", delivery_id=kept.id)
    board = get(client, "/")
    assert "never came: found by looking" in board and "/hooks/github/shop" in board
    assert "found by looking" in get(client, "/runs/r2")


def test_a_project_whose_answers_fail_shows_no_tick(client: FlaskClient, database: Database) -> None:
    held = {"api_url": "https://git.example/api", "repository": "acme/shop", "user": "", "sealed": "x"}
    with database.begin() as session:
        for name, state in (
            ("well", {"told_at": make.ago(60)}),
            ("waiting", {"told_at": make.ago(60), "fault": "git.example answers 502"}),
            ("failed", {"broken": True, "fault": "git.example does not take the token"}),
        ):
            project = make.project(session, name)
            session.add(ForgeAccountRow(project_id=project.id, **held, **state))
    page = get(client, "/settings")
    shown = {name: _answers(page, name) for name in ("well", "waiting", "failed")}
    assert "passed" in shown["well"] and "1 min ago" in shown["well"]
    assert "git.example answers 502. Answers wait, and are tried again." in shown["waiting"]
    assert "git.example does not take the token" in shown["failed"]
    assert all("passed" not in shown[name] and f"#s-{name}" in shown[name] for name in ("waiting", "failed"))


def _answers(page: str, project: str) -> str:
    """Return the last cell of a project's row."""
    return page.partition(f'<tr id="p-{project}">')[2].partition("</tr>")[0].rpartition("<td ")[2]


def test_a_run_shows_what_its_configuration_links_to(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        run = make.run(session, make.project(session), {"source": "passed"})
        run.config = {"links": {"<b>Run</b>book": "https://wiki.example.test/shop?a=1&b"}}
    page = get(client, "/runs/r1")
    link = '<a href="https://wiki.example.test/shop?a=1&amp;b" rel="noopener noreferrer">&lt;b&gt;Run&lt;/b&gt;book</a>'
    assert link in page
    assert Check(page).faults == []
    assert client.get("/api/v1/runs/r1").get_json()["links"] == {
        "<b>Run</b>book": "https://wiki.example.test/shop?a=1&b"
    }


def test_a_runs_page_says_who_asked_for_it_and_who_wrote_it(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        asked: dict[str, Any] = {
            "trigger": "chat",
            "asked_by": "bo@localhost",
            "asked_reason": "<ticket 42>",
            "wanted": ["unit"],
        }
        make.run(session, make.project(session), {"unit": "passed"}, earlier_seconds=60.0, **asked)
    page = get(client, "/runs/r1")
    assert "asked for by bo@localhost: &lt;ticket 42&gt; · only unit" in page
    assert "written by Ana Lima" in page and "took 1 min 10 s" in page


def test_a_failure_that_is_allowed_is_never_drawn_as_plain_red(client: FlaskClient, database: Database) -> None:
    with database.begin() as session:
        stages = [{"name": "lint", "state": "failed", "allow_failure": True}]
        make.run(session, make.project(session), stages)
    for path in ("/", "/runs/r1"):
        page = get(client, path)
        assert 'href="#s-allowed"' in page and 'href="#s-failed"' not in page and "failed (allowed)" in page
