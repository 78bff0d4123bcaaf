"""Tests and artifacts through the API."""

import re
from pathlib import Path, PurePosixPath

from flask import Blueprint, Response, jsonify, request, send_file, url_for
from flask.typing import ResponseReturnValue

from dashboard.api.reads import listed
from dashboard.asking import part_asked, test_filter, verdict_asked
from dashboard.reading import Reading, number
from pipeline.errors import NotFound
from store import artifacts, views_tests
from store.artifacts import Artifact
from store.views import View, when

# Whatever a stage left behind, in a browser it is a file to be kept and nothing that is run or shown.
HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox", "X-Content-Type-Options": "nosniff"}
UNSAFE = re.compile(r"[^\w. +=@,()-]")


def make_tests(reading: Reading) -> Blueprint:
    """Return the blueprint of tests and artifacts under /api/v1."""
    api = Blueprint("tests", __name__, url_prefix="/api/v1")
    _tests(api, reading)
    _artifacts(api, reading)
    return api


def _tests(api: Blueprint, reading: Reading) -> None:
    @api.get("/runs/<run>/tests")
    def of_run(run: str) -> ResponseReturnValue:
        """List the tests of a run's last attempts, what failed first, of that what is new first."""
        number_ = number(reading.run(run)["id"], "r")
        with reading.session() as session:
            return listed(views_tests.of_run(session, reading.links, number_, state=verdict_asked(), part=part_asked()))

    @api.get("/tests")
    def tests() -> ResponseReturnValue:
        """List tests with what became of them in the newest fifty runs that had tests."""
        with reading.session() as session:
            return listed(views_tests.tests(session, test_filter(), part_asked()))

    @api.get("/tests/<test>")
    def test(test: str) -> ResponseReturnValue:
        """Show how a test ended each time, the last time first."""
        return jsonify(reading.test(test))


def _artifacts(api: Blueprint, reading: Reading) -> None:
    @api.get("/runs/<run>/artifacts")
    def artifacts_of(run: str) -> ResponseReturnValue:
        """List what the stages of a run left behind."""
        number_ = number(reading.run(run)["id"], "r")
        with reading.session() as session:
            found = [shown(one) for one in artifacts.of_run(session, number_)]
        return jsonify({"items": found, "next": None})

    @api.get("/runs/<run>/stages/<stage>/artifacts/<path:path>")
    def artifact(run: str, stage: str, path: str) -> Response:
        """Download what a stage left behind."""
        with reading.session() as session:
            found = artifacts.find(session, number(run, "r"), stage, path)
        return _sent(found, artifacts.path(reading.artifacts, found))


def shown(one: Artifact) -> View:
    """Return an artifact as it is listed."""
    run = f"r{one.run_id}"
    return {
        "stage": one.stage,
        "path": one.path,
        "size": one.size,
        "digest": one.digest,
        "created_at": when(one.created_at),
        "url": url_for("tests.artifact", run=run, stage=one.stage, path=one.path, _external=True),
    }


def _sent(found: Artifact, file: Path) -> Response:
    name = UNSAFE.sub("_", PurePosixPath(found.path).name) or "artifact"
    try:
        response = send_file(
            file.absolute(),
            mimetype="application/octet-stream",
            as_attachment=True,
            download_name=name,
            etag=found.digest,
            conditional=bool(request.range),
        )
    except FileNotFoundError as fault:
        raise NotFound(
            f"{found.path} is kept no more", code="artifact_gone", fix="Run the stage again to have it anew."
        ) from fault
    response.headers.update(HEADERS)
    return response
