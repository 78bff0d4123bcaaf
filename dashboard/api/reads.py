"""What programs read: runs, places, deployments, deliveries, messages. Nothing here changes anything."""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from dashboard.reading import Reading, page_of
from pipeline.errors import Rejected
from pipeline.outcome import State
from store import views, views_lists, views_places
from store.views import Page, RunFilter


def make_reads(reading: Reading) -> Blueprint:
    """Return the blueprint of everything that GET /api/v1 answers, but logs."""
    reads = Blueprint("reads", __name__, url_prefix="/api/v1")
    links = reading.links

    @reads.get("/runs")
    def runs() -> ResponseReturnValue:
        """List runs, newest first."""
        with reading.session() as session:
            return jsonify(views.runs(session, links, _filter(), _page()))

    @reads.get("/runs/<name>")
    def run(name: str) -> ResponseReturnValue:
        """Show one run."""
        return jsonify(reading.run(name))

    @reads.get("/matrix")
    def matrix() -> ResponseReturnValue:
        """Show what runs where."""
        with reading.session() as session:
            return jsonify(views_places.matrix(session, links))

    @reads.get("/environments")
    def environments() -> ResponseReturnValue:
        """List every project's environments."""
        with reading.session() as session:
            return jsonify(views_places.environments(session))

    @reads.get("/deployments")
    def deployments() -> ResponseReturnValue:
        """List deployments, newest first."""
        with reading.session() as session:
            place = request.args.get("environment")
            return jsonify(views_places.deployments(session, links, environment=place, page=_page()))

    @reads.get("/deployments/<name>")
    def deployment(name: str) -> ResponseReturnValue:
        """Show one deployment."""
        return jsonify(reading.deployment(name))

    @reads.get("/deliveries")
    def deliveries() -> ResponseReturnValue:
        """List what was received, newest first."""
        with reading.session() as session:
            return jsonify(views_lists.deliveries(session, project=request.args.get("project"), page=_page()))

    @reads.get("/chat/messages")
    def messages() -> ResponseReturnValue:
        """List what the recorder kept, newest first."""
        with reading.session() as session:
            return jsonify(views_lists.messages(session, channel=request.args.get("channel"), page=_page()))

    @reads.get("/projects")
    def projects() -> ResponseReturnValue:
        """List projects by name."""
        with reading.session() as session:
            return jsonify(views_lists.projects(session))

    return reads


def _page() -> Page:
    return page_of(request.args.get("limit"), request.args.get("cursor"))


def _filter() -> RunFilter:
    asked = request.args
    state = asked.get("state") or None
    if state and state not in list(State):
        raise Rejected(f"no run is ever {state[:40]!r}; states are: {', '.join(State)}", code="bad_state")
    return RunFilter(
        project=asked.get("project"), revision=asked.get("revision"), state=state, branch=asked.get("branch")
    )
