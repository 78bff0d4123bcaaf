"""The inbox alone as an application: its blueprints, and errors as problem+json."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Flask, jsonify

from hooks import blueprint, slack
from hooks.accept import Inbox
from pipeline.errors import Rejected, SlipwayError
from store.session import Database

SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
LIMIT = 25 * 1024**2


def make(database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC), **slack_options: Any) -> Flask:
    """Return the application on a database."""
    app = Flask(__name__)
    options = {"signing_secret": SLACK_SECRET, **slack_options}
    app.register_blueprint(blueprint.make(Inbox(database=database, channel="#deploys", clock=clock), body_limit=LIMIT))
    app.register_blueprint(slack.make(database, clock=clock, **options))

    @app.errorhandler(SlipwayError)
    def problem(fault: SlipwayError) -> Any:
        status = fault.status if isinstance(fault, Rejected) else 503
        answer = jsonify(status=status, code=fault.code, detail=fault.sentence, fix=fault.fix)
        answer.content_type = "application/problem+json"
        return answer, status

    return app


def served() -> Flask:
    """Return the application that gunicorn serves."""
    return make(Database(os.environ["INBOX_DATABASE"]))
