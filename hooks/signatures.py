"""Signatures: bytes against bytes in constant time; whatever is sent in their place is only ever a mismatch."""

import hashlib
import hmac
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime

from standardwebhooks import Webhook

SLACK_WINDOW_SECONDS = 300
MOST_SIGNATURES = 10
SHORTEST_KEY = 16


def signature_holds(given: str, body: bytes, secret: str, *, prefix: str = "") -> bool:
    """Tell whether `given` is the body's HMAC-SHA256 in hex behind a prefix; SHA-1 never is."""
    expected = prefix.encode() + _hex(secret, body)
    return bool(secret) & hmac.compare_digest(expected, _bytes(given))


def token_holds(given: str, secret: str) -> bool:
    """Tell whether `given` is the secret itself."""
    return bool(secret) & hmac.compare_digest(_bytes(given), _bytes(secret))


def seal(token: str, body: bytes) -> str:
    """Return what is kept in place of a token sent in clear: who knows the token can tell it came with this body."""
    return _hex(token, b"slipway token seal:" + body).decode()


def seal_holds(given: str, body: bytes, secret: str) -> bool:
    """Tell whether `given` is the seal of this secret and body."""
    return bool(secret) & hmac.compare_digest(seal(secret, body).encode(), _bytes(given))


def standard_signature_holds(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Tell whether one of the signatures is the body's, of any age, as https://www.standardwebhooks.com says."""
    name, given = headers.get("webhook-id", ""), headers.get("webhook-signature", "")
    moment = standard_time(headers)
    if moment is None or not name:
        return False
    if not _is_key(secret):
        return False
    try:
        expected = Webhook(secret).sign(name, datetime.fromtimestamp(moment, UTC), body.decode()).encode()
    except Exception:
        # The library has one error for no secret and half a dozen others for junk: all are refusals.
        return False
    # A sender that changes its secret signs with both for a while.
    return any(hmac.compare_digest(expected, _bytes(one)) for one in given.split(" ")[:MOST_SIGNATURES])


def standard_time(headers: Mapping[str, str]) -> int | None:
    """Return when a delivery says it was signed, in seconds since 1970, or None if it does not say."""
    stamp = headers.get("webhook-timestamp", "")
    return int(stamp) if _is_time(stamp) else None


def slack_signature_holds(headers: Mapping[str, str], body: bytes, secret: str, *, at: datetime) -> bool:
    """Tell whether Slack signed this body within five minutes of `at`, either way."""
    timestamp = headers.get("x-slack-request-timestamp", "")
    if not _is_time(timestamp):
        return False
    expected = b"v0=" + _hex(secret, b"v0:" + timestamp.encode() + b":" + body)
    fresh = abs(at.timestamp() - int(timestamp)) <= SLACK_WINDOW_SECONDS
    return hmac.compare_digest(expected, _bytes(headers.get("x-slack-signature", ""))) and fresh and bool(secret)


def _is_key(secret: str) -> bool:
    # The library drops what is not base64, so that of a secret for another door hardly anything might be left.
    try:
        return len(b64decode(secret.removeprefix("whsec_"), validate=True)) >= SHORTEST_KEY
    except ValueError:
        return False


def _is_time(text: str) -> bool:
    # Eleven digits last until the year 5138; longer numbers are not times.
    return text.isascii() and text.isdigit() and len(text) <= 11


def _hex(secret: str, data: bytes) -> bytes:
    return hmac.new(_bytes(secret), data, hashlib.sha256).hexdigest().encode()


def _bytes(text: str) -> bytes:
    # Half characters stay what they are: two texts never become the same bytes.
    return text.encode("utf-8", "surrogatepass")
