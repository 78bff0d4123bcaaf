"""The pages people read. Complete without JavaScript; with it, the same page is fetched again and merged."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard.api.tests import shown as shown_artifact
from dashboard.asking import page_asked, run_filter
from dashboard.drawing import chosen, failure, left_out, let_pass, tail_of, waterfall
from dashboard.log_pages import log_page
from dashboard.reading import Reading, number
from pipeline.outcome import State
from store import artifacts, views, views_board, views_places, views_tests
from store.views_tests import Part

MOVING = frozenset({"queued", "running", "waiting", "deploying"})
# A run of seven stages is about 1.3 kB of HTML.
ROWS = 25
TESTS = 50


def make_pages(reading: Reading) -> Blueprint:
    """Return the blueprint of every page."""
    pages = Blueprint("pages", __name__)
    links = reading.links

    @pages.get("/")
    def board() -> ResponseReturnValue:
        """Answer: is it green, and what is under way?"""
        wanted, part = run_filter(), page_asked(ROWS)
        with reading.session() as session:
            cards = views_board.board(session, links) if part.before is None else []
            runs = views.runs(session, links, wanted, part)
        moving = any(card["in_flight"] for card in cards)
        return render_template("board.html", cards=cards, runs=runs, states=list(State), moving=moving)

    @pages.get("/runs/<name>")
    def run(name: str) -> ResponseReturnValue:
        """Show a run: first why it failed, then its stages, then what one of them has written."""
        found, now = reading.run(name), reading.now()
        stage = chosen(found, request.args.get("stage"))
        log = None
        if stage is not None and stage["attempt"]:
            page, line = (request.args.get(word, type=int) for word in ("page", "line"))
            log = log_page(reading.transcript(name, stage["name"]), page, line=line)
        moving = found["state"] in MOVING
        drawn = {
            "rows": waterfall(found, now),
            "why": failure(found),
            "tail": tail_of(found),
            "left_out": left_out(found),
            "let_pass": let_pass(found),
            **_tests_of(reading, number(found["id"], "r")),
        }
        return render_template("run.html", run=found, stage=stage, log=log, moving=moving, **drawn)

    @pages.get("/environments")
    def environments() -> ResponseReturnValue:
        """Show what runs where."""
        with reading.session() as session:
            matrix = views_places.matrix(session, links)
            places = views_places.environments(session)["items"]
        moving = any(cell["state"] in MOVING for cell in matrix["cells"])
        return render_template("environments.html", matrix=matrix, places=places, moving=moving)

    @pages.get("/deployments")
    def deployments() -> ResponseReturnValue:
        """List deployments."""
        place = request.args.get("environment") or None
        with reading.session() as session:
            found = views_places.deployments(session, links, environment=place, page=page_asked())
            places = [one["name"] for one in views_places.environments(session)["items"]]
        context = {"deployments": found, "places": dict.fromkeys(places), "moving": _any_moving(found)}
        return render_template("deployments.html", **context)

    @pages.get("/deployments/<name>")
    def deployment(name: str) -> ResponseReturnValue:
        """Show one deployment."""
        found = reading.deployment(name)
        return render_template("deployment.html", deployment=found, moving=found["state"] in MOVING)

    pages.add_url_rule("/deliveries", "deliveries", lambda: redirect(url_for("settings.deliveries")))
    pages.add_url_rule("/r/<name>", "short_run", lambda name: redirect(f"/runs/r{number(name, 'r')}"))
    pages.add_url_rule("/d/<name>", "short_deployment", lambda name: redirect(f"/deployments/d{number(name, 'd')}"))
    return pages


def _tests_of(reading: Reading, run_id: int) -> dict[str, Any]:
    """Return what the page says of a run's tests, and what its stages left behind."""
    with reading.session() as session:
        counts = views_tests.counts(session, run_id)
        part = Part(limit=min(TESTS, counts["failed"] + counts["flaky"]))
        shown = views_tests.of_run(session, reading.links, run_id, part=part)["items"] if part.limit else []
        left = artifacts.of_run(session, run_id)
    return {"tests": counts | {"shown": shown}, "artifacts": [shown_artifact(one) for one in left]}


def _any_moving(found: dict[str, Any]) -> bool:
    return any(one["state"] in MOVING for one in found["items"])
