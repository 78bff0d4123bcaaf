"""Images through the API: which there are, and publishing one."""

from collections.abc import Collection

from flask import Blueprint, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from control.publish import publish
from dashboard.api.bodies import Publish, read
from dashboard.api.reads import listed
from dashboard.asking import page_asked
from dashboard.reading import Reading
from store import projects, views_images
from store.views_images import ImageFilter


def make_images(reading: Reading, *, registries: Collection[str]) -> Blueprint:
    """Return the blueprint of /api/v1/images; `registries` are the names of those that can be published to."""
    api = Blueprint("images", __name__, url_prefix="/api/v1/images")

    @api.get("")
    def images() -> ResponseReturnValue:
        """List images, newest first."""
        asked = {name: request.args.get(name, "") for name in ("project", "service", "revision")}
        with reading.session() as session:
            return listed(views_images.images(session, ImageFilter(**asked), page_asked()))

    @api.get("/<digest>")
    def image(digest: str) -> ResponseReturnValue:
        """Show one image, and where it was published."""
        with reading.session() as session:
            return jsonify(views_images.whole(session, digest))

    @api.post("/<digest>/publish")
    def start(digest: str) -> ResponseReturnValue:
        """Copy an image to another registry, under the same digest."""
        said = read(Publish)
        with reading.database.begin() as session:
            row = publish(session, digest, to=said.to, tag=said.tag, known=registries, actor=said.who, at=reading.now())
            view = views_images.publication(row, projects.get(session, row.project_id).name)
        answer = jsonify(view)
        answer.headers["Location"] = url_for("images.image", digest=digest)
        answer.status_code = 202
        return answer

    return api
