"""Tests and artifacts through the API, by command and on pages."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask

from commands import artifacts as artifact_commands
from commands import tests as commands
from pipeline.errors import NotFound
from store.schema import StageRow
from store.session import Database
from tests import factories as make
from tests import serving

API = "/api/v1"
HTML = b"<script>alert(1)</script>"


@pytest.fixture
def application(tmp_path: Path) -> Flask:
    """Serve a home with two runs: a test that is flaky, one that is known to fail, one that fails now."""
    made = serving.app(tmp_path)
    with Database(f"sqlite:///{tmp_path / 'slipway.db'}").begin() as session:
        shop = make.project(session)
        for began, known in ((500, "passed"), (400, "failed"), (300, "failed")):
            run = make.run(session, shop, {"unit": "failed"}, state="failed", began=began)
            unit = session.query(StageRow).filter_by(run_id=run.id).one()
            unit.attempt = 2
            make.result(session, unit, "test_retried", attempt=1, state="failed")
            make.result(session, unit, "test_fine")
            make.result(session, unit, "test_skipped", state="skipped")
            make.result(session, unit, "test_retried", flaky=True)
            make.result(session, unit, "test_known", state=known, message="no basket")
            make.result(session, unit, "test_new <b>", state="error" if began == 300 else "passed", new=began == 300)
        make.artifact(session, tmp_path, unit, "out/report <1>.html", HTML)
        make.artifact(session, tmp_path, unit, "gone.txt", b"x")
    (tmp_path / "artifacts" / "r3" / "unit" / hashlib.sha256(b"x").hexdigest()).unlink()
    return made


def ask(application: Flask, path: str) -> Any:
    answer = application.test_client().get(f"{API}{path}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def names(found: Any) -> list[str]:
    return [one["name"] for one in found["items"]]


def test_a_runs_tests_come_with_what_failed_first_and_what_is_new_before_it(application: Flask) -> None:
    found = ask(application, "/runs/r3/tests")
    assert names(found) == ["test_new <b>", "test_known", "test_retried", "test_fine", "test_skipped"]
    first = found["items"][0]
    assert (first["state"], first["new"], first["suite"], first["seconds"]) == ("error", True, "tests.basket", 0.25)
    assert first["log_url"].endswith("/api/v1/runs/r3/stages/unit/log")
    assert found["items"][1]["message"] == "no basket"
    assert found["items"][2]["flaky"] and found["items"][2]["attempt"] == 2
    assert names(ask(application, "/runs/r3/tests?state=failed")) == ["test_new <b>", "test_known"]
    assert names(ask(application, "/runs/3/tests?state=skipped")) == ["test_skipped"]


def test_a_long_list_of_tests_comes_in_parts(application: Flask) -> None:
    first = ask(application, "/runs/r3/tests?limit=2")
    rest = ask(application, f"/runs/r3/tests?limit=200&cursor={first['next']}")
    assert names(first) + names(rest) == names(ask(application, "/runs/r3/tests"))
    assert rest["next"] is None


def test_tests_are_judged_over_many_runs(application: Flask) -> None:
    every = ask(application, "/tests?project=shop")
    assert names(every) == ["test_known", "test_new <b>", "test_retried", "test_fine", "test_skipped"]
    known = every["items"][0]
    assert (known["runs"], known["failed"], known["state"], known["project"]) == (3, 2, "failed", "shop")
    assert names(ask(application, "/tests?flaky=1")) == ["test_retried"]
    assert names(ask(application, "/tests?failing=true&flaky=0")) == ["test_known", "test_new <b>"]
    assert names(ask(application, "/tests?name=test_fine")) == ["test_fine"]
    assert names(ask(application, "/tests?project=nobody")) == []


def test_a_test_has_a_history(application: Flask) -> None:
    known = ask(application, "/tests?name=test_known")["items"][0]
    history = ask(application, f"/tests/{known['id']}")
    assert [(one["run"], one["state"]) for one in history["times"]] == [
        ("r3", "failed"),
        ("r2", "failed"),
        ("r1", "passed"),
    ]
    assert history["times"][0]["branch"] == "main"
    assert application.test_client().get(f"{API}/tests/9999").status_code == 404


def test_L7_artifacts_are_listed_and_are_only_ever_downloads(application: Flask) -> None:
    gone, report = ask(application, "/runs/r3/artifacts")["items"]
    assert (report["stage"], report["path"], report["size"]) == ("unit", "out/report <1>.html", len(HTML))
    client = application.test_client()
    with client.get(report["url"]) as answer:
        assert (answer.status_code, answer.data) == (200, HTML)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="report _1_.html"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    with client.get(report["url"], headers={"Range": "bytes=1-6"}) as part:
        assert (part.status_code, part.data) == (206, b"script")
    assert client.get(gone["url"]).get_json()["code"] == "artifact_gone"


@pytest.mark.parametrize("path", ["../../../slipway.db", "..%2f..%2fslipway.db", "out", "/etc/passwd", "%00"])
def test_only_what_a_stage_left_behind_can_be_downloaded(application: Flask, path: str) -> None:
    answer = application.test_client().get(f"{API}/runs/r3/stages/unit/artifacts/{path}")
    assert answer.status_code in {308, 404}


def test_a_run_without_tests_has_none(application: Flask) -> None:
    assert application.test_client().get(f"{API}/runs/r9/tests").status_code == 404
    assert ask(application, "/runs/r1/artifacts")["items"] == []


def say(application: Flask, monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    with serving.served(application) as url:
        monkeypatch.setenv("SLIPWAY_URL", url)
        return CliRunner().invoke(commands.test, words, standalone_mode=False, catch_exceptions=False).output


def test_a_runs_tests_can_be_read_on_a_terminal(application: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = say(application, monkeypatch, "list", "r3").splitlines()
    assert lines[:3] == [
        "✗ tests.basket test_new <b>  0.25 s  new",
        "✗ tests.basket test_known  0.25 s  known",
        "    no basket",
    ]
    assert "✓ tests.basket test_retried  0.25 s  flaky" in lines
    assert json.loads(say(application, monkeypatch, "list", "r3", "--json"))["items"]
    assert "test_known" not in say(application, monkeypatch, "list", "r3", "--state", "passed")


def test_one_tests_history_can_be_read_on_a_terminal(application: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = say(application, monkeypatch, "history", "test_known", "--project", "shop").splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["failed", "failed", "passed"]
    with pytest.raises(NotFound):
        say(application, monkeypatch, "history", "nothing", "--project", "shop")


def page(application: Flask, path: str) -> str:
    answer = application.test_client().get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_runs_page_shows_what_failed_and_what_is_to_be_downloaded(application: Flask) -> None:
    text = page(application, "/runs/r3")
    assert "5 tests, 2 failed (1 new), 1 flaky, 1 skipped" in text
    assert "test_new &lt;b&gt;" in text and "test_fine" not in text
    assert text.index("test_new") < text.index("test_known") < text.index("test_retried")
    assert [word in text for word in (">new<", ">known<", ">flaky<", "no basket")] == [True] * 4
    assert "out/report &lt;1&gt;.html" in text


def test_the_pages_of_tests_lead_from_one_to_its_history(application: Flask) -> None:
    listed = page(application, "/tests?project=shop&failing=1")
    assert "test_known" in listed and "test_fine" not in listed
    known = ask(application, "/tests?name=test_known")["items"][0]
    text = page(application, f"/tests/{known['id']}")
    assert text.count('class="bar failed"') == 2 and text.count('class="bar passed"') == 1
    assert "no basket" in text
    assert "No test matches" in page(application, "/tests?project=nobody")


def test_artifacts_are_listed_and_fetched_by_command(
    application: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def say(*words: str) -> str:
        group = artifact_commands.artifact
        return CliRunner().invoke(group, words, standalone_mode=False, catch_exceptions=False).output

    monkeypatch.chdir(tmp_path)
    with serving.served(application) as url:
        monkeypatch.setenv("SLIPWAY_URL", url)
        assert "unit       25 B  out/report <1>.html\n" in say("list", "r3")
        assert "r1 has no artifacts" in say("list", "r1")
        assert say("get", "r3", "unit", "out/report <1>.html") == "report <1>.html: 25 B\n"
        assert (tmp_path / "report <1>.html").read_bytes() == HTML
        assert say("get", "r3", "unit", "/out/report <1>.html", "-o", "-").encode() == HTML
        with pytest.raises(NotFound, match="kept no more"):
            say("get", "r3", "unit", "gone.txt")
    assert not [one for one in tmp_path.iterdir() if "gone.txt" in one.name]


def test_the_tests_are_in_the_navigation(application: Flask) -> None:
    board = application.test_client().get("/").text
    assert '<a href="/tests">Tests</a>' in board
    assert '<a href="/tests" aria-current="page">Tests</a>' in application.test_client().get("/tests").text
