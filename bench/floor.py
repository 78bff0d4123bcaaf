"""The floor: a Flask view that only checks the signature, as little as a receiver of webhooks can do."""

import hashlib
import hmac

from flask import Flask, Response, request

from bench.load import SECRET

app = Flask(__name__)


@app.post("/hooks/github/shop")
def receive() -> Response:
    """Answer 202 if the body is signed."""
    body = request.get_data(cache=False)
    expected = b"sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest().encode()
    held = hmac.compare_digest(expected, request.headers.get("X-Hub-Signature-256", "").encode())
    return Response("{}", status=202 if held else 401, mimetype="application/json")
