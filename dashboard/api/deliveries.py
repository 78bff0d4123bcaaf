"""What programs do with a delivery that was kept: have it taken in once more, or its signature checked."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from dashboard.api.bodies import Nothing, Verify, read
from dashboard.reading import number
from dashboard.redelivery import Redelivery, shown


def make_deliveries(redelivery: Redelivery) -> Blueprint:
    """Return the blueprint of /api/v1/deliveries/{delivery}/redeliver and /verify."""
    again = Blueprint("again", __name__, url_prefix="/api/v1/deliveries/<delivery>")

    @again.post("/redeliver")
    def redeliver(delivery: str) -> ResponseReturnValue:
        """Take a delivery in once more, as if its sender had sent it again."""
        read(Nothing)
        answer = redelivery.redeliver(number(delivery, ""))
        return jsonify(shown(answer)), answer.status

    @again.post("/verify")
    def verify(delivery: str) -> ResponseReturnValue:
        """Tell whether a secret, or the project's own as it is now, signed a delivery."""
        holds, detail = redelivery.verify(number(delivery, ""), read(Verify).secret)
        return jsonify({"holds": holds, "detail": detail})

    return again
