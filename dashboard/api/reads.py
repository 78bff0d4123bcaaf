"""What programs read: runs, places, deployments, deliveries, messages. Nothing here changes anything."""

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from dashboard.asking import delivery_filter, page_asked, run_filter
from dashboard.reading import Reading
from store import views, views_deliveries, views_lists, views_places


def make_reads(reading: Reading) -> Blueprint:
    """Return the blueprint of everything that GET /api/v1 answers, but logs."""
    reads = Blueprint("reads", __name__, url_prefix="/api/v1")
    _runs(reads, reading)
    _places(reads, reading)
    _received(reads, reading)
    return reads


def _runs(reads: Blueprint, reading: Reading) -> None:
    @reads.get("/runs")
    def runs() -> ResponseReturnValue:
        """List runs, newest first."""
        with reading.session() as session:
            return listed(views.runs(session, reading.links, run_filter(), page_asked()))

    @reads.get("/runs/<run>")
    def run(run: str) -> ResponseReturnValue:
        """Show one run."""
        return jsonify(reading.run(run))

    @reads.get("/projects")
    def projects() -> ResponseReturnValue:
        """List projects by name."""
        with reading.session() as session:
            return jsonify(views_lists.projects(session, reading.links))


def _places(reads: Blueprint, reading: Reading) -> None:
    @reads.get("/matrix")
    def matrix() -> ResponseReturnValue:
        """Show what runs where."""
        with reading.session() as session:
            return jsonify(views_places.matrix(session, reading.links))

    @reads.get("/environments")
    def environments() -> ResponseReturnValue:
        """List every project's environments."""
        with reading.session() as session:
            return jsonify(views_places.environments(session))

    @reads.get("/deployments")
    def deployments() -> ResponseReturnValue:
        """List deployments, newest first."""
        place = request.args.get("environment")
        with reading.session() as session:
            return listed(views_places.deployments(session, reading.links, environment=place, page=page_asked()))

    @reads.get("/deployments/<deployment>")
    def deployment(deployment: str) -> ResponseReturnValue:
        """Show one deployment."""
        return jsonify(reading.deployment(deployment))


def _received(reads: Blueprint, reading: Reading) -> None:
    @reads.get("/deliveries")
    def deliveries() -> ResponseReturnValue:
        """List what was received, newest first."""
        with reading.session() as session:
            return listed(views_deliveries.deliveries(session, delivery_filter(), page_asked()))

    @reads.get("/deliveries/<delivery>")
    def delivery(delivery: str) -> ResponseReturnValue:
        """Show one delivery with its headers and the beginning of its body."""
        return jsonify(reading.delivery(delivery))

    @reads.get("/chat/messages")
    def messages() -> ResponseReturnValue:
        """List what the recorder kept, newest first."""
        with reading.session() as session:
            return listed(views_lists.messages(session, channel=request.args.get("channel"), page=page_asked()))


def listed(found: dict[str, Any]) -> Response:
    """Answer with one page of a list, and where the next one is."""
    answer = jsonify(found)
    if found["next"]:
        wanted = {**request.args.to_dict(), "cursor": found["next"]}
        answer.headers["Link"] = f'<{request.path}?{urlencode(wanted)}>; rel="next"'
    return answer
