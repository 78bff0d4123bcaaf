"""The pages people read. Complete without JavaScript; with it, the same page is fetched again and merged."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard.drawing import chosen, failure, tail_of, threads, waterfall
from dashboard.logs import log_page
from dashboard.reading import Reading, number, page_of
from pipeline.outcome import State
from store import views, views_board, views_lists, views_places
from store.views import Page, RunFilter

MOVING = frozenset({"queued", "running", "waiting", "deploying"})
MESSAGES = 100
# A run of seven stages is about 1.3 kB of HTML.
ROWS = "25"


def make_pages(reading: Reading) -> Blueprint:
    """Return the blueprint of every page."""
    pages = Blueprint("pages", __name__)
    links = reading.links

    @pages.get("/")
    def board() -> ResponseReturnValue:
        """Answer: is it green, and what is under way?"""
        wanted, part = _filter(), page_of(request.args.get("limit") or ROWS, request.args.get("cursor"))
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
            log = log_page(reading.transcript(name, stage["name"]), request.args.get("page", type=int))
        moving = found["state"] in MOVING
        drawn = {"rows": waterfall(found, now), "why": failure(found), "tail": tail_of(found)}
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
            found = views_places.deployments(session, links, environment=place, page=_page())
            places = [one["name"] for one in views_places.environments(session)["items"]]
        context = {"deployments": found, "places": dict.fromkeys(places), "moving": _any_moving(found)}
        return render_template("deployments.html", **context)

    @pages.get("/deployments/<name>")
    def deployment(name: str) -> ResponseReturnValue:
        """Show one deployment."""
        found = reading.deployment(name)
        return render_template("deployment.html", deployment=found, moving=found["state"] in MOVING)

    @pages.get("/settings/deliveries")
    def deliveries() -> ResponseReturnValue:
        """List what was received and what became of it."""
        with reading.session() as session:
            found = views_lists.deliveries(session, project=request.args.get("project") or None, page=_page())
        return render_template("deliveries.html", deliveries=found, moving=False)

    @pages.get("/settings/chat")
    def chat() -> ResponseReturnValue:
        """Draw what the recorder kept as Slack would."""
        with reading.session() as session:
            found = views_lists.messages(session, page=Page(limit=MESSAGES))
        return render_template("chat.html", channels=threads(found["items"]), moving=False)

    pages.add_url_rule("/settings", "settings", lambda: redirect(url_for("pages.deliveries")))
    pages.add_url_rule("/r/<name>", "short_run", lambda name: redirect(f"/runs/r{number(name, 'r')}"))
    pages.add_url_rule("/d/<name>", "short_deployment", lambda name: redirect(f"/deployments/d{number(name, 'd')}"))
    return pages


def _page() -> Page:
    return page_of(request.args.get("limit"), request.args.get("cursor"))


def _filter() -> RunFilter:
    asked = {name: request.args.get(name) or None for name in ("project", "state", "branch", "revision")}
    return RunFilter(**asked)


def _any_moving(found: dict[str, Any]) -> bool:
    return any(one["state"] in MOVING for one in found["items"])
